"""Logs the epochs of a run: metrics.csv, curves, experiment trackers, notices, and a line on the screen."""

import shutil
import sys
import time
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from utils.data.readable import unreadable_lines
from utils.loader.batch import Batch
from utils.run.loggers import open_experiments
from utils.run.metrics_file import append_metrics, read_metrics
from utils.run.notices import Conditions, new_notices
from utils.run.plot import plot_run
from utils.run.preview import save_batch_image
from utils.run.resume import Progress
from utils.run.run_evaluation import Evaluation
from utils.run.settings import Run
from utils.system.device import usable_cores
from utils.train.epoch_state import EpochResult, EpochState
from utils.train.phases import Phase, total_epochs
from utils.train.trainer import Trainer

GAP = "  "
HEADER_EVERY = 30  # rows, so that the header stays on the screen


class EpochLine(NamedTuple):
    """What is printed about an epoch.

    epoch         number of the epoch, from 1 to `total`
    losses        by component
    map50         on the validation data, like `map50_95`; both None if the epoch was not evaluated
    best          whether it is the best epoch so far
    seconds_left  until the end of the run
    """

    epoch: int
    total: int
    losses: dict[str, float]
    map50: float | None
    map50_95: float | None
    best: bool
    images_per_second: float
    seconds_left: float


def line(shown: EpochLine) -> str:
    """Return the epoch as a line: losses by component, mAP if evaluated, speed, and the time left."""
    parts = [f"epoch {shown.epoch}/{shown.total}"]
    parts += [f"{name} {value:.3f}" for name, value in shown.losses.items()]
    if shown.map50_95 is not None:
        best = " (best)" if shown.best else ""
        parts.append(f"| mAP50 {shown.map50:.4f} mAP50-95 {shown.map50_95:.4f}{best}")
    parts.append(f"| {shown.images_per_second:.1f} images/s, {shown.seconds_left / 60:.1f} min left")
    return " ".join(parts)


def table(shown: EpochLine, width: int, with_header: bool) -> str:
    """Return the epoch as a table row, below the header if asked for; as a `line` if wider than `width`.

    A star marks the best epoch so far. A row of YOLOX with up to 999 epochs is 77 characters wide.
    """
    columns = _columns(shown)
    header = GAP.join(f"{heading:>{max(least, len(heading))}}" for heading, _, least in columns)
    row = GAP.join(f"{text:>{max(least, len(heading))}}" for heading, text, least in columns)
    if max(len(header), len(row)) > width:
        return line(shown)
    return f"{header}\n{row}" if with_header else row


def _columns(shown: EpochLine) -> list[tuple[str, str, int]]:
    """Heading, text and minimum width of each column."""
    map50 = "" if shown.map50 is None else f"{shown.map50:.4f}"
    best = "" if shown.map50_95 is None else f"{shown.map50_95:.4f} {'*' if shown.best else ' '}"
    digits = len(str(shown.total))
    return [
        ("epoch", f"{shown.epoch}/{shown.total}", 2 * digits + 1),
        *((name, _number(value), 6) for name, value in shown.losses.items()),
        ("mAP50", map50, 6),
        ("mAP50-95", best, 8),
        ("img/s", _number(shown.images_per_second, 1), 6),
        ("left", _duration(shown.seconds_left), 6),
    ]


def _number(value: float, digits: int = 3) -> str:
    if value < 99.99:
        return f"{value:.{digits}f}"
    return f"{value:.1f}" if value < 9999 else f"{value:.0e}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} d"


class RunLog:
    """Logs the epochs of a run, in the first of several processes.

    `experiments` is a context manager: the trackers are told whether the run was completed.
    """

    def __init__(self, trainer: Trainer, run: Run, epochs_done: int) -> None:
        self.trainer, self.run = trainer, run
        self.first = trainer.processes.first
        self.experiments = open_experiments(run.settings.log if self.first else (), run.folder, epochs_done)
        self.epochs_before, self.started = epochs_done, time.perf_counter()
        self.rows = 0  # printed since the phase began

    def start_epoch(self, phase: Phase, epoch: int) -> None:
        """Print a new phase, and save an image of the first batch of the run."""
        if not phase.trains_like(self.trainer.phase):
            print(phase.describe())
            self.rows = 0
        if self.trainer.steps == 0 and self.first:
            batch = self.trainer.whole_batch(phase, epoch, number=0)
            save_batch_image(self.run.folder / "train_batch.jpg", batch, self.trainer.train_index.class_names)

    def progress_bar(
        self, batches: Iterable[Batch], state: EpochState, phase: Phase, epoch: int
    ) -> "tqdm[Batch]":
        """Wrap the remaining batches of an epoch in a progress bar."""
        self.bar: tqdm[Batch] = tqdm(
            batches,
            desc=f"epoch {epoch + 1}",
            initial=state.batches,
            total=self.trainer.schedule.steps_per_epoch(phase),
            leave=False,
            dynamic_ncols=True,
            disable=None if self.first else True,
        )
        return self.bar

    def show_means(self, state: EpochState) -> None:
        """Show mean losses and speed on the progress bar."""
        means = {name: f"{value:.3f}" for name, value in state.means().items()}
        self.bar.set_postfix(means | {"images/s": f"{state.images / state.seconds:.1f}"})

    def record(
        self, progress: Progress, result: EpochResult, evaluation: Evaluation | None
    ) -> dict[str, str]:
        """Write the epoch to metrics.csv, curves and experiment trackers; returns new notices."""
        if not self.first:
            return {}
        row = {"epoch": progress.epoch} | metrics_row(result, evaluation, self.trainer.device)
        row["val_data"] = progress.val_data
        append_metrics(self.run.folder, row)
        values = {name: value for name, value in row.items() if value != "" and name != "epoch"}
        self.experiments.log(values, progress.epoch)
        plot_run(self.run.folder)
        history = read_metrics(self.run.folder)
        notices = new_notices(history, _conditions(self.trainer), progress.notices_given)
        progress.notices_given += notices
        return notices

    def show(
        self,
        progress: Progress,
        result: EpochResult,
        evaluation: Evaluation | None,
        notices: dict[str, str],
    ) -> None:
        """Print the epoch as a table row (on a terminal) or a line, then unreadable files and notices."""
        metrics = evaluation.metrics if evaluation else None
        seconds = (time.perf_counter() - self.started) / (progress.epoch - self.epochs_before)
        total = total_epochs(self.trainer.phases)
        shown = EpochLine(
            epoch=progress.epoch,
            total=total,
            losses=result.losses,
            map50=metrics.map50 if metrics else None,
            map50_95=metrics.map50_95 if metrics else None,
            best=progress.best_epoch == progress.epoch,
            images_per_second=result.images_per_second,
            seconds_left=seconds * (total - progress.epoch),
        )
        if sys.stdout.isatty():
            columns = shutil.get_terminal_size().columns
            print(table(shown, columns, with_header=self.rows % HEADER_EVERY == 0))
        else:
            print(line(shown))
        self.rows += 1
        for text in unreadable_lines("skipped", result.unreadable):
            print(f"  {text}")
        for notice in notices.values():
            print(f"  notice: {notice}")


def metrics_row(result: EpochResult, evaluation: Evaluation | None, device: torch.device) -> dict[str, Any]:
    """Return the values of an epoch by column of metrics.csv, "" if missing. New columns come last."""
    row: dict[str, Any] = {"lr": result.learning_rate, "loss": sum(result.losses.values())}
    row |= {f"loss_{name}": value for name, value in result.losses.items()}
    metrics = evaluation.metrics if evaluation else None
    row |= {f"val_loss_{name}": evaluation.losses[name] if evaluation else "" for name in result.losses}
    row |= {"map50": metrics.map50 if metrics else "", "map50_95": metrics.map50_95 if metrics else ""}
    row |= {"images_per_second": result.images_per_second, "seconds": result.seconds}
    row |= {"left_out": result.nonfinite_steps, "waiting": result.waiting}
    return row | result.memory.columns(device)


def _conditions(trainer: Trainer) -> Conditions:
    epochs = [phase.epochs for phase in trainer.phases]
    return Conditions(
        starts=tuple(accumulate(epochs[:-1], initial=0)),
        warmup_epochs=trainer.settings.optimization.warmup_epochs,
        workers=trainer.settings.machine.workers or 0,
        cores=usable_cores() // trainer.processes.local_world_size,
        on_gpu=trainer.device.type == "cuda",
        cached=trainer.cache is not None,
    )
