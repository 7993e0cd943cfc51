"""Curves of a run as a picture."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.atomic import replacing
from utils.run_folder import read_metrics


def plot_run(folder: Path) -> None:
    """Draw `curves.png` from `metrics.csv`: losses by component, mAP, and the learning rate."""
    metrics = read_metrics(folder)
    epochs = np.array(metrics["epoch"])
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name in metrics:
        if name.startswith(("loss", "val_loss")) and np.isfinite(metrics[name]).any():
            style = "--" if name.startswith("val") else "-"
            _line(left, epochs, metrics[name], name.replace("_", " "), style)
    left.set(title="loss by component", xlabel="epoch", yscale="log")
    for name, title in (("map50", "mAP50"), ("map50_95", "mAP50-95")):
        _line(middle, epochs, metrics[name], title, "-")
    middle.set(title="mAP on the validation data", xlabel="epoch", ylim=(0, 1))
    _line(right, epochs, metrics["lr"], "learning rate", "-")
    right.set(title="learning rate", xlabel="epoch")
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    with replacing(folder / "curves.png") as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def _line(axes: object, epochs: np.ndarray, values: list[float], label: str, style: str) -> None:
    """Epochs without a figure (no evaluation) are left out, and the points joined across them."""
    known = np.isfinite(values)
    marker = "o" if known.sum() < 30 else None
    axes.plot(epochs[known], np.array(values)[known], style, marker=marker, markersize=3, label=label)  # type: ignore[attr-defined]
