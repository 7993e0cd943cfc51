"""One epoch as text: a row of a table where a person looks on, else a line that says what its figures are."""

import shutil
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from utils.run.resume import Progress
from utils.run.run_evaluation import Evaluation
from utils.train.epoch_state import EpochResult

GAP = "  "
MOST_NAMED = 10  # images that could not be read


class EpochFigures(NamedTuple):
    """What is shown of an epoch.

    epoch         its number, of `total`
    losses        by component
    map50         on the validation data, as `map50_95`; None for both if the epoch was not evaluated
    best          whether it is the best so far
    seconds_left  of the run
    """

    epoch: int
    total: int
    losses: dict[str, float]
    map50: float | None
    map50_95: float | None
    best: bool
    images_per_second: float
    seconds_left: float


def line(figures: EpochFigures) -> str:
    """The epoch in words: losses by component, mAP where there is one, speed, and the time that is left."""
    parts = [f"epoch {figures.epoch}/{figures.total}"]
    parts += [f"{name} {value:.3f}" for name, value in figures.losses.items()]
    if figures.map50_95 is not None:
        best = " (best)" if figures.best else ""
        parts.append(f"| mAP50 {figures.map50:.4f} mAP50-95 {figures.map50_95:.4f}{best}")
    parts.append(f"| {figures.images_per_second:.1f} images/s, {figures.seconds_left / 60:.1f} min left")
    return " ".join(parts)


def table(figures: EpochFigures, width: int, with_header: bool) -> str:
    """The epoch as a row, under the headings if asked for; `line` where `width` characters do not hold it.

    A star marks the best so far. What YOLOX says of one of up to 999 epochs takes 77 characters.
    """
    columns = _columns(figures)
    header = GAP.join(f"{heading:>{max(least, len(heading))}}" for heading, _, least in columns)
    row = GAP.join(f"{text:>{max(least, len(heading))}}" for heading, text, least in columns)
    if max(len(header), len(row)) > width:
        return line(figures)
    return f"{header}\n{row}" if with_header else row


def skipped(paths: Sequence[str]) -> list[str]:
    """A sentence for each image that could not be read, and one for those that are not named."""
    named = [f"skipped, cannot be read: {path}" for path in paths[:MOST_NAMED]]
    more = len(paths) - MOST_NAMED
    return [*named, f"and {more} more skipped"] if more > 0 else named


def _columns(figures: EpochFigures) -> list[tuple[str, str, int]]:
    """Heading, text, and the least width, of which every text is at most."""
    map50 = "" if figures.map50 is None else f"{figures.map50:.4f}"
    best = "" if figures.map50_95 is None else f"{figures.map50_95:.4f} {'*' if figures.best else ' '}"
    digits = len(str(figures.total))
    return [
        ("epoch", f"{figures.epoch}/{figures.total}", 2 * digits + 1),
        *((name, _number(value), 6) for name, value in figures.losses.items()),
        ("mAP50", map50, 6),
        ("mAP50-95", best, 8),
        ("img/s", _number(figures.images_per_second, 1), 6),
        ("left", _duration(figures.seconds_left), 6),
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


def _row(result: EpochResult, evaluation: Evaluation | None, device: torch.device) -> dict[str, Any]:
    """The figures by column of metrics.csv; "" where there is none. New columns come last."""
    row: dict[str, Any] = {"lr": result.learning_rate, "loss": sum(result.losses.values())}
    row |= {f"loss_{name}": value for name, value in result.losses.items()}
    metrics = evaluation.metrics if evaluation else None
    row |= {f"val_loss_{name}": evaluation.losses[name] if evaluation else "" for name in result.losses}
    row |= {"map50": metrics.map50 if metrics else "", "map50_95": metrics.map50_95 if metrics else ""}
    row |= {"images_per_second": result.images_per_second, "seconds": result.seconds}
    row |= {"left_out": result.left_out, "waiting": result.waiting}
    return row | result.memory.figures(device)


def _figures(
    progress: Progress, total: int, result: EpochResult, evaluation: Evaluation | None, left: float
) -> EpochFigures:
    metrics = evaluation.metrics if evaluation else None
    return EpochFigures(
        epoch=progress.epoch,
        total=total,
        losses=result.losses,
        map50=metrics.map50 if metrics else None,
        map50_95=metrics.map50_95 if metrics else None,
        best=progress.best_epoch == progress.epoch,
        images_per_second=result.images_per_second,
        seconds_left=left,
    )


def _shown(figures: EpochFigures, with_header: bool) -> str:
    """A row where a person looks on, a line in a file."""
    if not sys.stdout.isatty():
        return line(figures)
    return table(figures, shutil.get_terminal_size().columns, with_header)
