"""The learning curves of a run as an image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.run.metrics_file import read_metrics
from utils.system.files import replacing


def plot_run(folder: Path) -> None:
    """Draw `curves.png` from `metrics.csv`: losses by component, mAP, and the learning rate."""
    metrics = read_metrics(folder)
    if not metrics:  # no epoch so far
        return
    epochs = np.array(metrics["epoch"])
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    components = [name for name in metrics if name.startswith("loss")]
    for number, name in enumerate(components):
        colour = f"C{number}"
        _line(left, epochs, metrics[name], name.removeprefix("loss_"), "-", colour)
        if f"val_{name}" in metrics:
            _line(left, epochs, metrics[f"val_{name}"], "", "--", colour)
    left.set(title="loss; dashed: validation data", xlabel="epoch", yscale="log")
    for name, title in (("map50", "mAP50"), ("map50_95", "mAP50-95")):
        _line(middle, epochs, metrics[name], title, "-")
    middle.set(title="mAP on the validation data", xlabel="epoch", ylim=(0, 1))
    _line(right, epochs, metrics["lr"], "learning rate", "-")
    right.set(title="learning rate", xlabel="epoch")
    for epoch in _changes(epochs, metrics.get("val_data", [])):
        middle.axvline(epoch - 0.5, color="grey", linestyle=":", label="other validation data")
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    with replacing(folder / "curves.png") as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def _changes(epochs: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """The epochs that were evaluated on other validation data than the one before."""
    return epochs[1:][np.diff(numbers) > 0] if len(numbers) else epochs[:0]


def _line(
    axes: Axes, epochs: np.ndarray, values: list[float], label: str, style: str, colour: str | None = None
) -> None:
    """Draw a curve; epochs without a value (not evaluated) are skipped, and the points joined across them."""
    known = np.isfinite(values)
    marker = "o" if known.sum() < 30 else None
    axes.plot(
        epochs[known],
        np.array(values)[known],
        style,
        marker=marker,
        markersize=3,
        label=label or None,
        color=colour,
    )
