"""Compare evaluation with pycocotools and faster-coco-eval: python benchmarks/evaluation.py --folder evaldata

The folder contains `gt.json` and `dets.json` in COCO's formats; without a folder, random data is used. Each
run is a new process, and evaluators alternate, because the speed of a machine drifts. The metrics must agree;
our runs also compute the VOC metrics and the curves. Prints one JSON line per peer and case: the time from
JSON files, the time from memory, and the peak memory.
"""

import contextlib
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import installed_version, print_result

from utils.evaluate.evaluator import evaluate
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.evaluate.read_results import read_ground_truth_and_results
from utils.evaluate.write_results import write_coco_ground_truth, write_coco_results
from utils.system.cli import run

NUM_CLASSES = 80
COCO_METRICS = ["map", "map50", "map75", "small", "medium", "large"]
COCO_METRICS += ["ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"]
PEERS = {"pycocotools": "pycocotools", "faster_coco_eval": "faster-coco-eval"}
CASES = {"seconds": "from JSON files", "evaluating": "from memory", "peak": "peak memory, from JSON files"}


@dataclass(frozen=True)
class Config:
    """Settings of the evaluation benchmark."""

    folder: Path | None = None  # folder of gt.json and dets.json; by default random data
    images: int = 500  # random data: number of images, with about seven objects each
    detections: int = 100  # random data: detections per image
    repeats: int = 5  # repetitions, whose medians are compared
    only: str = ""  # run only ours or this peer, once, and print its time, metrics and memory


def main(config: Config) -> None:
    """Run all evaluators alternately, and print the medians."""
    if config.only:
        assert config.folder is not None
        print(json.dumps(RUNNERS[config.only](config.folder) | {"peak": _peak()}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = config.folder or write_random_data(config, Path(temporary))
        names = ["ours", *(name for name, package in PEERS.items() if installed_version(package))]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(config.repeats):
            for name in names:
                runs[name].append(in_own_process(name, folder))
    for name in names[1:]:
        np.testing.assert_allclose(runs["ours"][0]["figures"], runs[name][0]["figures"], atol=1e-9)
        for case, text in CASES.items():
            report(runs, name, case, text)


def report(runs: dict[str, list[dict[str, Any]]], peer: str, case: str, text: str) -> None:
    """Print the comparison with a peer in one case."""
    ours, theirs = (statistics.median(run[case] for run in runs[name]) for name in ("ours", peer))
    print_result(
        "evaluation",
        f"{runs['ours'][0]['size']}, {text}",
        ours,
        "MiB" if case == "peak" else "s",
        digits=3,
        peer=theirs,
        peer_name=PEERS[peer],
        ratio=theirs / ours,
        versions={name: installed_version(name) for name in ("numpy", PEERS[peer])},
    )


def in_own_process(name: str, folder: Path) -> dict[str, Any]:
    """Run an evaluator once in a new process; return time, metrics and memory."""
    command = [sys.executable, __file__, "--only", name, "--folder", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_ours(folder: Path) -> dict[str, Any]:
    """Run our evaluator, which computes all COCO and VOC metrics, and the curves."""
    start = time.perf_counter()
    files, (found,) = read_ground_truth_and_results(str(folder / "gt.json"), [folder / "dets.json"])
    read = time.perf_counter()
    metrics = evaluate(found, files.ground_truth)
    end = time.perf_counter()
    return {
        "size": f"{files.ground_truth.num_images} images, {len(found.scores)} detections",
        "seconds": end - start,
        "evaluating": end - read,
        "figures": [metrics.coco[name] for name in COCO_METRICS],
    }


def run_pycocotools(folder: Path) -> dict[str, Any]:
    """Run pycocotools, the reference implementation."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _run_peer(folder, COCO, COCOeval)


def run_faster_coco_eval(folder: Path) -> dict[str, Any]:
    """Run faster-coco-eval, an implementation in C++."""
    from faster_coco_eval import COCO, COCOeval_faster

    return _run_peer(folder, COCO, COCOeval_faster)


def _run_peer(folder: Path, reader: Any, evaluator: Any) -> dict[str, Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        truth = reader(str(folder / "gt.json"))
        found = truth.loadRes(str(folder / "dets.json"))
        read = time.perf_counter()
        peer = evaluator(truth, found, "bbox")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
        end = time.perf_counter()
    return {"seconds": end - start, "evaluating": end - read, "figures": [float(x) for x in peer.stats[:12]]}


RUNNERS = {"ours": run_ours, "pycocotools": run_pycocotools, "faster_coco_eval": run_faster_coco_eval}


def _peak() -> float:
    """Return the peak memory of this process in MiB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def write_random_data(config: Config, folder: Path) -> Path:
    """Write random objects of up to four classes per image; half of the detections are near objects."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(7, config.images)
    image_numbers, total = np.repeat(np.arange(config.images), counts), int(counts.sum())
    palette = rng.integers(0, NUM_CLASSES, (config.images, 4))
    labels = palette[image_numbers, rng.integers(0, 4, total)]
    boxes = random_boxes(rng, total)
    crowd = rng.random(total) < 0.01
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * rng.uniform(0.5, 0.9, total)
    names = tuple(f"class{label}" for label in range(NUM_CLASSES))
    truth = GroundTruth(
        names, config.images, image_numbers, boxes, labels, np.zeros(total, bool), crowd, areas
    )
    near = rng.integers(0, total, config.images * config.detections // 2)
    far = rng.integers(0, config.images, config.images * config.detections - len(near))
    found = FlatDetections(
        np.concatenate([image_numbers[near], far]),
        np.concatenate([moved(rng, boxes[near]), random_boxes(rng, len(far))]),
        rng.random(len(near) + len(far)),
        np.concatenate([labels[near], palette[far, rng.integers(0, 4, len(far))]]),
    )
    write_coco_ground_truth(folder / "gt.json", truth, [f"{row}.jpg" for row in range(config.images)])
    write_coco_results(folder / "dets.json", found)
    return folder


def random_boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    """Sample boxes of about 70 x 70 pixels in images of 640 x 640; float64 [N, 4]."""
    corner = rng.uniform(0, 540, (number, 2))
    return np.concatenate([corner, corner + np.exp(rng.normal(np.log(70), 0.8, (number, 2)))], 1)


def moved(rng: np.random.Generator, boxes: np.ndarray) -> np.ndarray:
    """Return the boxes with each side moved randomly by a few pixels."""
    sides = boxes + rng.normal(0, 6, boxes.shape)
    return np.concatenate([np.minimum(sides[:, :2], sides[:, 2:]), np.maximum(sides[:, :2], sides[:, 2:])], 1)


if __name__ == "__main__":
    run(main, Config)
