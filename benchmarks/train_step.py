"""Measure the speed of a training step, from a batch in memory to the EMA update of the weights.

    python benchmarks/train_step.py --models yolox_nano yolox_s
    python benchmarks/train_step.py --peers 'yolox=python yolox.py {model} --imgsz {size} --batch {batch}'

Our trainer and peers run alternately, because the speed of a machine drifts. A peer is a command that prints
a line of JSON with "images_per_s": {"median": x}. Prints one JSON line per case and peer.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import product
from typing import Any, NamedTuple

import torch
from harness import Peer, parse_peers, print_result
from torch import Tensor
from torch.nn.functional import conv2d

from nets import build_detector, preset
from nets.common.structures import Targets
from nets.inspect.summary import summarise
from utils.augment.settings import NO_AUGMENTATION
from utils.data.index import ImageRecord, build_index
from utils.inference.detect import DetectSettings
from utils.loader.batch import Batch, batch_to_device
from utils.system.cli import run
from utils.system.device import Amp, autocasting, choose_autocast, choose_device
from utils.system.memory import keep_freed_memory
from utils.train.optimizer import OptimizerName
from utils.train.phases import Phase
from utils.train.settings import MachineSettings, OptimizerSettings, TrainSettings
from utils.train.trainer import Trainer

NUM_CLASSES = 80
MEAN_OBJECTS = 10  # per image


@dataclass(frozen=True)
class Config:
    """Settings of the training step benchmark."""

    models: tuple[str, ...] = ("yolox_nano", "yolox_s")  # names of docs/models.md
    cases: tuple[tuple[int, int], ...] = ((320, 8), (640, 4))  # side of the input and batch size
    amp: tuple[Amp, ...] = ("off", "bf16")  # precisions
    peers: tuple[str, ...] = ()  # name=command, with {model}, {size} and {batch}
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    optimizer: OptimizerName = "sgd"  # sgd, adamw or muon
    rounds: int = 5  # of ours and each peer, alternately
    steps: int = 3  # of ours per round


class Step(NamedTuple):
    """A trainer and the batch to train on."""

    trainer: Trainer
    batch: Batch


class Case(NamedTuple):
    """A model, the side of the square input, and the batch size."""

    model: str
    size: int
    batch: int


@dataclass
class Seconds:
    """Measured seconds of steps and of losses, one value per round."""

    steps: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


def main(config: Config) -> None:
    """Measure all cases and the peers, and print the medians."""
    keep_freed_memory()  # as train.py does
    device = choose_device(config.device)
    for model, (size, batch) in product(config.models, config.cases):
        case = Case(model, size, batch)
        steps = {amp: prepare(case, amp, device, config.optimizer) for amp in config.amp}
        ours = {amp: Seconds() for amp in config.amp}
        peers = parse_peers(config.peers)
        of_peers: dict[str, list[float]] = {peer.name: [] for peer in peers}
        peaks: dict[Amp, list[float]] = {amp: [] for amp in config.amp}
        for step in steps.values():
            train(step)  # warm-up
        for _ in range(config.rounds):
            for amp, step in steps.items():
                ours[amp].steps.append(seconds(partial(train, step), device, config.steps))
                ours[amp].losses.append(loss_seconds(step, config.steps))
                peaks[amp].append(peak_operations(device, choose_autocast(amp, device)))
            for peer in peers:
                of_peers[peer.name].append(peer_speed(peer, case))
        for amp in config.amp:
            report(case, amp, ours[amp], statistics.median(peaks[amp]), of_peers)


def prepare(case: Case, amp: Amp, device: torch.device, optimizer: OptimizerName) -> Step:
    """Return a trainer set up as in train.py, and a batch of noise with objects of all sizes."""
    torch.manual_seed(0)
    phase = Phase("all", 100, case.batch, 1e-4, (), NO_AUGMENTATION)
    index = build_index([ImageRecord(f"{number}.jpg") for number in range(case.batch)], ["object"])
    settings = TrainSettings(
        image_size=(case.size, case.size),
        smallest=preset(case.model).smallest,
        optimization=OptimizerSettings(optimizer, weight_decay=5e-4, warmup_epochs=0.0),
        machine=MachineSettings(workers=0),
        detect=DetectSettings(autocast=choose_autocast(amp, device)),
    )
    trainer = Trainer(build_detector(case.model, NUM_CLASSES), index, [phase], settings, device)
    trainer.start_epoch(phase, epoch=0)
    images = torch.randint(0, 256, (case.batch, 3, case.size, case.size), dtype=torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    return Step(trainer, Batch(images, objects(case), torch.arange(case.batch), [], []))


def objects(case: Case) -> Targets:
    """Sample objects with sides from 5 to 50 % of the image side."""
    number = 2 * MEAN_OBJECTS
    shape = (case.batch, number, 2)
    extent = torch.empty(shape).uniform_(-3, -0.7).exp() * case.size
    corner = torch.rand(shape) * (case.size - extent)
    valid = torch.rand(case.batch, number) < MEAN_OBJECTS / number
    boxes = torch.cat([corner, corner + extent], dim=-1) * valid.unsqueeze(-1)
    return Targets(boxes, torch.randint(0, NUM_CLASSES, (case.batch, number)) * valid, valid)


def train(step: Step) -> None:
    """Train for one step."""
    step.trainer.step(step.batch)
    step.trainer.guard.recent.clear()


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the seconds of the fastest repetition, each with a device sync."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times)


def loss_seconds(step: Step, repeats: int) -> float:
    """Measure the seconds for label assignment, loss and gradients, given the network's outputs."""
    trainer = step.trainer
    images, targets = batch_to_device(step.batch, trainer.device)
    with torch.no_grad(), autocasting(trainer.device, trainer.autocast):
        raw = trainer.detector(images)

    def work() -> None:
        leaves = [v.detach().requires_grad_() if is_predicted(v, len(images)) else v for v in raw]
        losses = trainer.detector.loss(type(raw)(*leaves), targets)
        torch.stack([*losses.values()]).sum().backward()

    return seconds(work, trainer.device, repeats)


def is_predicted(value: Any, batch: int) -> bool:
    """Return whether the value is a prediction per image, rather than positions of grid cells."""
    return isinstance(value, Tensor) and value.is_floating_point() and len(value) == batch


def peak_operations(device: torch.device, dtype: torch.dtype | None) -> float:
    """Measure operations per second in a large convolution, to estimate the machine's peak."""
    images = torch.randn(4, 128, 40, 40, device=device, dtype=dtype).contiguous(
        memory_format=torch.channels_last
    )
    kernel = torch.randn(128, 128, 3, 3, device=device, dtype=dtype).contiguous(
        memory_format=torch.channels_last
    )
    operations = 2 * images.numel() * kernel[0].numel()
    with torch.no_grad():
        return operations / seconds(lambda: conv2d(images, kernel, padding=1), device, 20)


def peer_speed(peer: Peer, case: Case) -> float:
    """Run a peer and return images per second."""
    model = case.model.removeprefix("yolox_")
    said = peer.run(model=model, size=case.size, batch=case.batch)
    return float(said["images_per_s"]["median"])


def report(case: Case, amp: Amp, ours: Seconds, best: float, of_peers: dict[str, list[float]]) -> None:
    """Print one line per peer, or a single line if there are no peers."""
    step = statistics.median(ours.steps)
    speed = case.batch / step
    with torch.device("meta"):
        summary = summarise(build_detector(case.model, NUM_CLASSES), (case.size, case.size))
    operations = 3e9 * sum(summary.gflops.values())  # forward pass, and twice as many for the gradients
    for name, found in (of_peers or {"": []}).items():
        theirs = statistics.median(found) if found else None
        print_result(
            "train_step",
            f"{case.model}, {case.size} px, batch {case.batch}, {amp}",
            speed,
            "images/s",
            peer=theirs,
            peer_name=name or None,
            ratio=theirs and speed / theirs,
            versions={"torch": version("torch")},
            loss_share=round(statistics.median(ours.losses) / step, 3),
            share_of_peak=round(operations * speed / best, 3),
            peak_gflops=round(best / 1e9),
        )


if __name__ == "__main__":
    run(main, Config)
