"""Measure the latency of prediction from image file to boxes, in total and per stage.

    python benchmarks/inference.py --models yolox_nano yolox_s --images photos/
    python benchmarks/inference.py --peers 'other=python other.py {images} --imgsz {size} --batch {batch}'

Our predictor, the network alone, and peers run alternately, because the speed of a machine drifts. A peer is
a command that prints a line of JSON with "ms_per_img": {"median": x} and "gflops_per_img"; `ratio` compares
operations per second. Networks have random weights unless --weights gives files. Prints one JSON line per
case and peer.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from harness import Peer, parse_peers, print_result

from nets import build_detector
from nets.inspect.summary import summarise
from utils.data.class_names import read_classes
from utils.images.image_io import read_image, save_image
from utils.images.sources import find_images
from utils.inference.detect import find_candidates
from utils.predict.predictor import Predictor
from utils.sample.dataset import sample_image
from utils.system.cli import ROOT, run
from utils.system.device import Amp, choose_device
from utils.system.memory import keep_freed_memory
from utils.system.stopwatch import Stopwatch
from utils.weights.checkpoint import save_checkpoint

Backend = Literal["pytorch", "onnx", "openvino"]
STAGES = ("decode", "preprocess", "network", "NMS")


@dataclass(frozen=True)
class Config:
    """Settings of the inference benchmark."""

    models: tuple[str, ...] = ("yolox_nano", "yolox_s")  # names of docs/models.md
    weights: tuple[str, ...] = ()  # name=checkpoint for some of the models; others get random weights
    backends: tuple[tuple[Backend, Amp], ...] = (
        ("pytorch", "off"),
        ("pytorch", "bf16"),
        ("onnx", "off"),
        ("openvino", "off"),
        ("openvino", "bf16"),
    )  # runtime and precision
    batches: tuple[int, ...] = (1, 8)  # images per batch
    image_size: int = 640  # height and width of the input
    images: Path | None = None  # folder of images; by default sample images
    confidence: float = 0.25  # confidence threshold
    peers: tuple[str, ...] = ()  # name=command, with {images}, {size} and {batch}
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    rounds: int = 7  # of ours, the network alone, and each peer, alternately
    repeats: int = 5  # batches per round


class Case(NamedTuple):
    """A model with runtime, precision and batch size."""

    model: str
    backend: Backend
    amp: Amp
    batch: int


@dataclass
class Measured:
    """Milliseconds per image, one value per batch: in total, for the network alone, and per stage."""

    whole: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})


def main(config: Config) -> None:
    """Measure all cases and the peers, and print the medians."""
    keep_freed_memory()  # as the scripts do
    device = choose_device(config.device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = images_of(config, folder)
        for model, batch in product(config.models, config.batches):
            checkpoint = checkpoint_of(config, model, folder)
            predictors: dict[Case, Predictor] = {}
            for backend, amp in config.backends:
                case = Case(model, backend, amp, batch)
                weights = exported(checkpoint, case, config, folder)
                predictors[case] = Predictor(
                    weights,
                    image_size=(config.image_size, config.image_size),
                    device=str(device),
                    amp=case.amp,
                    confidence=config.confidence,
                )
            measure_cases(config, predictors, images, batch)


def images_of(config: Config, folder: Path) -> list[Path]:
    """Return the image paths, after writing sample images if no folder is given."""
    if config.images is None:
        for number in range(16):
            save_image(folder / "drawn" / f"{number}.jpg", sample_image(0, number).image)
    return find_images([config.images or folder / "drawn"])


def checkpoint_of(config: Config, model: str, folder: Path) -> Path:
    """Return a checkpoint of the model: the one from --weights, or a new one with random weights."""
    given = dict(text.partition("=")[::2] for text in config.weights)
    if model in given:
        return Path(given[model])
    path = folder / f"{model}.pt"
    if not path.exists():
        torch.manual_seed(0)
        names = read_classes(ROOT / "model_data" / "coco_classes.txt")
        save_checkpoint(
            path,
            model=build_detector(model, len(names)).state_dict(),
            ema=None,
            epoch=0,
            step=0,
            class_names=names,
            model_name=model,
            image_size=(config.image_size, config.image_size),
        )
    return path


def exported(checkpoint: Path, case: Case, config: Config, folder: Path) -> Path:
    """Return the file for the case's runtime: the checkpoint, or a model exported from it."""
    if case.backend == "pytorch":
        return checkpoint
    dynamic = ["--dynamic"] if case.batch > 1 else []
    path = folder / f"{case.model}{'_dynamic' * len(dynamic)}{'.onnx' if case.backend == 'onnx' else ''}"
    if not path.exists():
        options = ["--weights", checkpoint, "--model", case.model, "--format", case.backend, "--output", path]
        size = ["--image-size", config.image_size, config.image_size]
        line = [sys.executable, ROOT / "export.py", *options, *size, *dynamic]
        subprocess.run([*map(str, line)], check=True, capture_output=True)
    return path


def measure_cases(
    config: Config, predictors: dict[Case, Predictor], images: Sequence[Path], batch: int
) -> None:
    """Measure the cases of a model and batch size alternately, and print the results."""
    peers = parse_peers(config.peers)
    of_peers: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    measured = {case: Measured() for case in predictors}
    for number in range(config.rounds + 1):
        for case, predictor in predictors.items():
            one_round(predictor, images, batch, config.repeats, measured[case])
            if number == 0:  # warm-up
                measured[case] = Measured()
        for peer in peers:
            of_peers[peer.name].append(peer_latency(peer, config, images[0].parent, batch))
    for case, predictor in predictors.items():
        report(case, config, measured[case], of_peers, predictor)


def one_round(predictor: Predictor, files: Sequence[Path], batch: int, repeats: int, into: Measured) -> None:
    """Measure `repeats` batches from files, then the network alone `repeats` times on the last batch."""
    for number in range(repeats):
        watch = Stopwatch(*STAGES, device=predictor.device)
        start = time.perf_counter()
        with watch.timed("decode"):
            images = [read_image(files[(number * batch + k) % len(files)]) for k in range(batch)]
        predictor.detect(images, watch)
        into.whole.append(1000 * (time.perf_counter() - start) / batch)
        for stage in STAGES:
            into.stages[stage].append(1000 * watch.seconds[stage] / batch)
    inputs, _ = predictor.letterboxed(images)
    for _ in range(repeats):
        start = time.perf_counter()
        find_candidates(predictor.model.detector, inputs, predictor.settings.autocast)
        if predictor.device.type == "cuda":
            torch.cuda.synchronize(predictor.device)
        into.bare.append(1000 * (time.perf_counter() - start) / batch)


def peer_latency(peer: Peer, config: Config, images: Path, batch: int) -> dict[str, float]:
    """Run a peer and return milliseconds and GFLOPs per image."""
    said = peer.run(images=images, size=config.image_size, batch=batch)
    return {"ms": float(said["ms_per_img"]["median"]), "gflops": float(said["gflops_per_img"])}


def report(
    case: Case,
    config: Config,
    measured: Measured,
    of_peers: dict[str, list[dict[str, float]]],
    predictor: Predictor,
) -> None:
    """Print one line per peer, or a single line if there are no peers."""
    whole = statistics.median(measured.whole)
    stages = {stage: statistics.median(times) for stage, times in measured.stages.items()}
    with torch.device("meta"):
        detector = build_detector(case.model, len(predictor.class_names))
        gflops = sum(summarise(detector, predictor.model.image_size).gflops.values())
    for name, found in (of_peers or {"": []}).items():
        theirs = statistics.median(said["ms"] for said in found) if found else None
        print_result(
            "inference",
            f"{case.model}, {config.image_size} px, batch {case.batch}, {case.backend} {case.amp}",
            whole,
            "ms/image",
            peer=theirs,
            peer_name=name or None,
            ratio=theirs and theirs / found[0]["gflops"] * gflops / whole,
            versions={"torch": version("torch")},
            p95=round(statistics.quantiles(measured.whole, n=20)[-1], 2),
            stages={stage: round(time, 2) for stage, time in stages.items()},
            bare_network=round(statistics.median(measured.bare), 2),
            share_beside_network=round(1 - stages["network"] / whole, 3),
            gflops=round(gflops, 2),
        )


if __name__ == "__main__":
    run(main, Config)
