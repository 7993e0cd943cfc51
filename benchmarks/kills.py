"""Kill trainings at random moments, resume them, and compare with a training that was never disturbed.

    python benchmarks/kills.py --kills 1000

Trains a small network on drawn images, with SIGKILL at any moment from the start of the program to its end.
Once such a training has reached its end, its weights (bit for bit), metrics.csv and final results must be
those of the undisturbed one. Prints a JSON line with the number of kills, how many came during a save, and
the most steps that had to be repeated. Exit status 1 and the kept folder if anything differs. Needs a system
with pseudo-terminals (Linux or macOS).
"""

import csv
import hashlib
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from harness import print_result
from torch import Tensor

from utils.sample.writer import write_sample_data
from utils.system.cli import ROOT, IncompleteError, run
from utils.weights.checkpoint import load_checkpoint

STEPS_PER_EPOCH = 4  # of batches of 2 of 8 images
COLUMNS_OF_TIME = re.compile("images_per_second|seconds|waiting|memory")  # they differ from run to run
STEP_ON_BAR = re.compile(r"epoch (\d+): .*? (\d+)/\d+ \[")
CHECKPOINTS = ("last.pt", "previous.pt")


@dataclass(frozen=True)
class Config:
    """Settings of the kill test."""

    kills: int = 100  # number of kills
    epochs: int = 4  # of each training, with 4 steps an epoch
    save_steps: int = 3  # steps between saves within an epoch
    workers: int = 0  # processes that load images
    weights: str = "none"  # weights to start from
    seed: int = 0  # of the moments


class Ended(NamedTuple):
    """A process that ended or was killed: seconds, what it showed, and whether it was within a save."""

    status: int
    seconds: float
    shown: str
    saving: bool


@dataclass
class Tally:
    """What the kills hit.

    before_save  kills before the first checkpoint, after which the training starts anew
    saving       kills while a file was being written
    lost         steps done that had to be repeated, of each kill
    """

    kills: int = 0
    before_save: int = 0
    saving: int = 0
    trainings: int = 0
    lost: list[int] = field(default_factory=list)


def main(config: Config) -> None:
    """Train undisturbed, then with kills until there were enough, and compare each training that ends."""
    folder = Path(tempfile.mkdtemp(prefix="kills_"))
    write_sample_data(folder, splits={"train": 2 * STEPS_PER_EPOCH, "val": 4})
    start = training(folder, config, "whole")
    whole = run_for(start, folder / "whole", None)
    if whole.status != 0:
        raise IncompleteError(f"the undisturbed training failed:\n{whole.shown}")
    expected = outcome(folder / "whole", whole.shown)
    rng, tally = random.Random(config.seed), Tally()
    while tally.kills < config.kills:
        disturbed = folder / f"run_{tally.trainings}"
        start = training(folder, config, disturbed.name)
        shown = train_with_kills(start, disturbed, whole.seconds, rng, tally, config)
        different = [name for name, value in outcome(disturbed, shown).items() if value != expected[name]]
        if different:
            raise IncompleteError(f"{', '.join(different)} of {disturbed} differ from {folder / 'whole'}")
        shutil.rmtree(disturbed)
        tally.trainings += 1
    print_result(
        "kills",
        f"{config.epochs} epochs of {STEPS_PER_EPOCH} steps, {config.workers} workers",
        tally.kills,
        "kills",
        digits=0,
        trainings=tally.trainings,
        before_the_first_save=tally.before_save,
        during_a_save=tally.saving,
        most_steps_lost=max(tally.lost, default=0),
        mean_steps_lost=round(sum(tally.lost) / max(1, len(tally.lost)), 2),
        different=0,
        versions={"torch": torch.__version__},
    )
    shutil.rmtree(folder)


def training(folder: Path, config: Config, name: str) -> list[str]:
    """Return the command of the training, with the first half of it frozen."""
    data = folder / "VOC2007"
    options: dict[str, object] = {
        "train": f"{data}:train",
        "val": f"{data}:val",
        "classes": data / "classes.txt",
        "output": folder,
        "name": name,
        "weights": config.weights,
        "epochs": config.epochs,
        "freeze-epochs": config.epochs // 2,
        "freeze-batch-size": 2,
        "batch-size": 2,
        "save-steps": config.save_steps,
        "workers": config.workers,
        "device": "cpu",
        "log": "none",
        "cache": "off",
    }
    flags = [str(item) for name, value in options.items() for item in (f"--{name}", value)]
    return [sys.executable, str(ROOT / "train.py"), *flags, "--image-size", "64", "64", "--deterministic"]


def train_with_kills(
    start: list[str], folder: Path, seconds: float, rng: random.Random, tally: Tally, config: Config
) -> str:
    """Run a training to its end, killed at random moments; returns what its last process showed."""
    line = start
    for _ in range(100):
        kill = tally.kills < config.kills
        ended = run_for(line, folder, rng.uniform(0, seconds) if kill else None)
        if ended.status == 0:
            return ended.shown
        if ended.status != -signal.SIGKILL:
            raise IncompleteError(f"{folder} cannot be resumed:\n{ended.shown}")
        tally.kills += 1
        tally.saving += ended.saving
        saved = saved_step(folder)
        if saved is None:
            tally.before_save += 1
            shutil.rmtree(folder, ignore_errors=True)
            line = start
        else:
            tally.lost.append(max(0, shown_step(ended.shown) - saved))
            line = [*start[:2], "--resume", str(folder)]
        what = f"saved step {saved}, {'within' if ended.saving else 'outside'} a save"
        print(f"kill {tally.kills}: after {ended.seconds:.2f} s, {what}", flush=True)
    raise IncompleteError(f"{folder} did not end in 100 attempts")


def run_for(line: list[str], folder: Path, seconds: float | None) -> Ended:
    """Run a command on a terminal of its own; kill it after so many seconds if it has not ended."""
    terminal, inner = pty.openpty()  # progress bars are shown on terminals only
    termios.tcsetwinsize(terminal, (40, 120))
    os.set_blocking(terminal, False)
    environment = os.environ | {"TQDM_MININTERVAL": "0"}
    began = time.perf_counter()
    process = subprocess.Popen(line, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    shown = b""
    while process.poll() is None:
        shown += read(terminal)
        if seconds is not None and time.perf_counter() - began >= seconds:
            process.kill()
            break
        time.sleep(0.0005)
    status = process.wait()
    shown += read(terminal)
    os.close(terminal)
    saving = status != 0 and any(folder.glob("*.tmp"))
    return Ended(status, time.perf_counter() - began, shown.decode(errors="replace"), saving)


def read(terminal: int) -> bytes:
    """Return what is new on the terminal."""
    try:
        return os.read(terminal, 1 << 16)
    except (BlockingIOError, OSError):  # nothing new, or the process has ended
        return b""


def shown_step(shown: str) -> int:
    """Return the last step on the progress bar."""
    steps = [(int(epoch) - 1) * STEPS_PER_EPOCH + int(step) for epoch, step in STEP_ON_BAR.findall(shown)]
    return steps[-1] if steps else 0


def saved_step(folder: Path) -> int | None:
    """Return the step of the newest intact checkpoint; None if there is no checkpoint."""
    found = [name for name in CHECKPOINTS if (folder / name).exists()]
    return load_checkpoint(folder / found[0])["step"] if found else None


def outcome(folder: Path, shown: str) -> dict[str, object]:
    """Return what must be the same: hashes of all tensors, rows of metrics.csv, and the final results."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            {name: value for name, value in row.items() if not COLUMNS_OF_TIME.search(name)}
            for row in csv.DictReader(file)
        ]
    return {
        "metrics.csv": rows,
        "results": shown.partition("best weights, of epoch")[2].partition("weights  ")[0],
        **{name: checkpoint_hash(folder / name) for name in ("best.pt", "last.pt")},
    }


def checkpoint_hash(path: Path) -> str:
    """Return a hash of the values of a checkpoint that training continues from."""
    state = load_checkpoint(path)
    digest = hashlib.sha256()
    for name in ("model", "ema", "optimizer", "epoch", "step", "best", "best_epoch", "notices_given"):
        add_to(digest, state[name])
    add_to(digest, state["random"]["torch"])  # the only generator that training draws from
    return digest.hexdigest()


def add_to(digest: "hashlib._Hash", value: object) -> None:
    """Add nested tensors and primitives to the hash."""
    if isinstance(value, dict):
        for key in sorted(value):
            digest.update(str(key).encode())
            add_to(digest, value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            add_to(digest, item)
    elif isinstance(value, Tensor):
        digest.update(value.contiguous().numpy().tobytes())
    else:
        digest.update(str(value).encode())


if __name__ == "__main__":
    run(main, Config)
