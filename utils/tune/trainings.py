"""Trainings of a search: train.py and get_map.py in processes of their own, whose folders are removed."""

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from utils.run.metrics_file import read_metrics
from utils.system.cli import ROOT
from utils.system.lock import is_locked
from utils.tune.base_settings import BaseSettings
from utils.tune.budget import Budget
from utils.tune.search_space import Params, flags_of, shortened

BEAT_SECONDS = 10  # between two notes of the time used
TRAININGS = "trainings"


class TrainingError(ValueError):
    """A training failed; the message is that of train.py."""


class Trained(NamedTuple):
    """The mAP50-95 of the best weights of a training, and its seconds."""

    map50_95: float
    seconds: float


@dataclass(frozen=True)
class Trainer:
    """Trains with settings of the space.

    flags   flags of train.py that all trainings have
    base    their settings without those of the space
    epochs  of a whole training
    data    specs on which `measure` measures
    folder  of the search
    """

    flags: tuple[str, ...]
    base: BaseSettings
    epochs: int
    data: tuple[str, ...]
    folder: Path
    budget: Budget

    def train(self, params: Params, epochs: int, seed: int, name: str) -> Trained:
        """Train for some epochs; returns the best mAP50-95 on the validation data. `TrainingError`."""
        begun = time.perf_counter()
        run = self._train(params, epochs, seed, name)
        values = [value for value in read_metrics(run)["map50_95"] if not math.isnan(value)]
        shutil.rmtree(run)
        return Trained(max(values), time.perf_counter() - begun)

    def measure(self, params: Params, seed: int, name: str) -> Trained:
        """Train for all epochs; returns the mAP50-95 of the best weights on `data`. `TrainingError`."""
        begun = time.perf_counter()
        run = self._train(params, self.epochs, seed, name)
        machine = self.base.machine
        options = ["--weights", str(run / "best.pt"), "--output", str(run / "map"), "--resamples", "0"]
        options += ["--device", machine.device, "--amp", machine.amp]
        run_script("get_map.py", ["--data", *self.data, *options], self.budget)
        value = json.loads((run / "map" / "metrics.json").read_text("utf-8"))["coco"]["map"]
        shutil.rmtree(run)
        return Trained(value, time.perf_counter() - begun)

    def _train(self, params: Params, epochs: int, seed: int, name: str) -> Path:
        """Train, and return the run's folder."""
        parent = self.folder / TRAININGS
        own = {"epochs": epochs, "seed": seed, "output": parent, "name": name, "log": "none"}
        words = [str(word) for key, value in own.items() for word in (f"--{key}", value)]
        found = flags_of(params, self.base, epochs) + shortened(params, self.base, epochs, self.epochs)
        run_script("train.py", [*self.flags, *found, *words], self.budget)
        return parent / name


def run_script(name: str, arguments: Sequence[str], budget: Budget) -> None:
    """Run a script of the project to its end, noting the time used; `TrainingError` with its message.

    Its output goes through a pipe: if this process is killed, the script ends at its next line.
    """
    process = subprocess.Popen(
        [sys.executable, str(ROOT / name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            while True:
                try:
                    output, errors = process.communicate(timeout=BEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    budget.save()
        except BaseException:  # Ctrl+C reaches the script too, SIGTERM does not
            process.terminate()
            raise
    budget.save()
    if process.returncode != 0:
        raise TrainingError(message_of(name, process.returncode, output, errors))


def message_of(name: str, status: int, output: str, errors: str) -> str:
    """Return why a script failed: its error message, else the end of what it printed."""
    _, found, message = errors.rpartition("error: ")
    if status == 2 and found:
        return message.strip()
    return f"{name} ended with status {status}: {(errors.strip() or output.strip())[-500:]}"


def clear_trainings(folder: Path) -> None:
    """Remove what a search that was killed has left; ValueError while its training is still running."""
    parent = folder / TRAININGS
    if parent.is_symlink():  # in a folder of others: what it leads to would be removed
        parent.unlink()
    for path in parent.glob("*"):
        if is_locked(path):
            raise ValueError(
                f"a training of the search that was killed is still running in {path}: it ends at its next "
                "epoch; try again then"
            )
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)
