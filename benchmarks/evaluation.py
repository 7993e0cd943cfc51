"""Time evaluation beside pycocotools and faster-coco-eval: python benchmarks/evaluation.py --folder evaldata

The folder holds `gt.json` and `dets.json` in COCO's formats; without one, random data is made and measured.
Each run is a process of its own, in turn, because a machine's speed drifts. The figures have to agree; ours
come with the VOC figures and the curves. Prints one JSON line for each peer and case: reading and all, from
memory alone, and the peak of the memory.
"""

import contextlib
import io
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from utils.evaluate.evaluator import evaluate
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.evaluate.read_results import read_ground_truth_and_results
from utils.evaluate.write_results import write_coco_ground_truth, write_coco_results
from utils.system.cli import run

CLASSES = 80
FIGURES = [
    *("map", "map50", "map75", "small", "medium", "large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
]
PEERS = {"pycocotools": "pycocotools", "faster_coco_eval": "faster-coco-eval"}
CASES = {"seconds": "from JSON files", "evaluating": "from memory", "peak": "peak memory, from JSON files"}


@dataclass(frozen=True)
class Config:
    """What is measured."""

    folder: Path | None = None  # where gt.json and dets.json are; by default random data
    images: int = 500  # of random data: how many images, each with about seven objects of a few classes
    detections: int = 100  # of random data: detections on each image
    repeats: int = 5  # the medians of so many repeats are compared
    only: str = ""  # run this one once, and print its seconds, figures and memory: ours or a peer's name


def main(config: Config) -> None:
    """Run all in turn and print the medians."""
    if config.only:
        assert config.folder is not None
        print(json.dumps(RUNNERS[config.only](config.folder) | {"peak": _peak()}))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = config.folder or write_random_data(config, Path(made))
        names = ["ours", *(name for name, package in PEERS.items() if _version(package))]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(config.repeats):
            for name in names:
                runs[name].append(in_own_process(name, folder))
    for name in names[1:]:
        np.testing.assert_allclose(runs["ours"][0]["figures"], runs[name][0]["figures"], atol=1e-9)
        for case, text in CASES.items():
            print(json.dumps(line(runs, name, case, text)))


def line(runs: dict[str, list[dict[str, Any]]], peer: str, case: str, text: str) -> dict[str, Any]:
    """One result."""
    ours, theirs = (statistics.median(run[case] for run in runs[name]) for name in ("ours", peer))
    return {
        "bench": "evaluation",
        "case": f"{runs['ours'][0]['size']}, {text}",
        "ours": round(ours, 3),
        "peer": round(theirs, 3),
        "peer_name": PEERS[peer],
        "unit": "MiB" if case == "peak" else "s",
        "ratio": round(theirs / ours, 2),
        "versions": {name: _version(name) for name in ("numpy", PEERS[peer])}
        | {"python": platform.python_version()},
    }


def in_own_process(name: str, folder: Path) -> dict[str, Any]:
    """Seconds, figures and memory of one run."""
    command = [sys.executable, __file__, "--only", name, "--folder", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_ours(folder: Path) -> dict[str, Any]:
    """Our evaluator: all figures of COCO and VOC, and the curves."""
    start = time.perf_counter()
    files, (found,) = read_ground_truth_and_results(str(folder / "gt.json"), [folder / "dets.json"])
    read = time.perf_counter()
    metrics = evaluate(found, files.ground_truth)
    end = time.perf_counter()
    return {
        "size": f"{files.ground_truth.num_images} images, {len(found.scores)} detections",
        "seconds": end - start,
        "evaluating": end - read,
        "figures": [metrics.coco[name] for name in FIGURES],
    }


def run_pycocotools(folder: Path) -> dict[str, Any]:
    """The reference."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _run_peer(folder, COCO, COCOeval)


def run_faster_coco_eval(folder: Path) -> dict[str, Any]:
    """The same in C++."""
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
    """MiB that this process took at most."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_random_data(config: Config, folder: Path) -> Path:
    """Objects of one to four classes an image; detections half near objects, half anywhere."""
    rng = np.random.default_rng(0)
    numbers = rng.poisson(7, config.images)
    image, total = np.repeat(np.arange(config.images), numbers), int(numbers.sum())
    palette = rng.integers(0, CLASSES, (config.images, 4))
    labels = palette[image, rng.integers(0, 4, total)]
    boxes = random_boxes(rng, total)
    crowd = rng.random(total) < 0.01
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * rng.uniform(0.5, 0.9, total)
    names = tuple(f"class{label}" for label in range(CLASSES))
    truth = GroundTruth(names, config.images, image, boxes, labels, np.zeros(total, bool), crowd, areas)
    near = rng.integers(0, total, config.images * config.detections // 2)
    far = rng.integers(0, config.images, config.images * config.detections - len(near))
    found = FlatDetections(
        np.concatenate([image[near], far]),
        np.concatenate([moved(rng, boxes[near]), random_boxes(rng, len(far))]),
        rng.random(len(near) + len(far)),
        np.concatenate([labels[near], palette[far, rng.integers(0, 4, len(far))]]),
    )
    write_coco_ground_truth(folder / "gt.json", truth, [f"{row}.jpg" for row in range(config.images)])
    write_coco_results(folder / "dets.json", found)
    return folder


def random_boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    """Boxes of about 70 pixels a side in images of 640; float64 [N, 4]."""
    corner = rng.uniform(0, 540, (number, 2))
    return np.concatenate([corner, corner + np.exp(rng.normal(np.log(70), 0.8, (number, 2)))], 1)


def moved(rng: np.random.Generator, boxes: np.ndarray) -> np.ndarray:
    """The boxes, each side a few pixels beside, none inverted."""
    sides = boxes + rng.normal(0, 6, boxes.shape)
    return np.concatenate([np.minimum(sides[:, :2], sides[:, 2:]), np.maximum(sides[:, :2], sides[:, 2:])], 1)


if __name__ == "__main__":
    run(main, Config)
