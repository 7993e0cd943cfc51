"""Plots of precision, recall and F1 against confidence, and of precision against recall, per class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps, font_manager
from matplotlib.figure import Figure

from utils.evaluate.pr_curves import CURVE_CONFIDENCES, CURVE_RECALLS, Curves
from utils.system.files import replacing

MAX_CLASSES_NAMED = 20  # with more classes, the legend has only the mean
# Fonts with Chinese, Japanese and Korean glyphs, which matplotlib lacks; the first installed one is used.
CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Arial Unicode MS",
)


def write_curves(curves: Curves, class_names: Sequence[str], folder: Path) -> list[Path]:
    """Write `precision.png`, `recall.png`, `f1.png` and `pr.png` into `folder`; return their paths.

    A thin line per class with objects, with up to 20 classes in the legend, and a thick line for the mean.
    """
    plots = {
        "precision": (curves.precision, "precision", "confidence", CURVE_CONFIDENCES),
        "recall": (curves.recall, "recall", "confidence", CURVE_CONFIDENCES),
        "f1": (curves.f1, "F1", "confidence", CURVE_CONFIDENCES),
        "pr": (curves.precision_at_recall, "precision", "recall", CURVE_RECALLS),
    }
    paths = []
    for name, (values, y_name, x_name, x) in plots.items():
        figure = draw_curves(values, class_names, x, x_name, y_name)
        path = folder / f"{name}.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=100, format="png")
        paths.append(path)
    return paths


def draw_curves(
    values: np.ndarray, class_names: Sequence[str], x: np.ndarray, x_name: str, y_name: str
) -> Figure:
    """Plot a line per class; `values` float64 [C, S] at the S values of `x`, NaN where undefined."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    shown = np.flatnonzero(~np.isnan(values).all(1)).tolist()
    for number, label in enumerate(shown):
        named = len(shown) <= MAX_CLASSES_NAMED
        name = legend_name(class_names[label], label) if named else ""
        axes.plot(x, values[label], color=_colour(number, len(shown)), linewidth=1, label=name)
    if len(shown):
        axes.plot(x, mean_curve(values), color="black", linewidth=2.5, label=f"mean of {len(shown)} classes")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, prop={"family": _families()})
    else:
        axes.text(0.5, 0.5, "no objects", ha="center")
    axes.set(xlabel=x_name, ylabel=y_name, xlim=(0, 1), ylim=(0, 1.02), title=f"{y_name} against {x_name}")
    axes.grid(alpha=0.3)
    return figure


def legend_name(name: str, label: int) -> str:
    """Return the class name for matplotlib, or "class" and the label if no installed font can show it."""
    if not drawable(name):
        return f"class {label}"
    # matplotlib reads text between "$" as a formula, and hides names that start with "_" from the legend.
    return ("\u200a" + name if name.startswith("_") else name).replace("$", r"\$")


def mean_curve(values: np.ndarray) -> np.ndarray:
    """Return the mean over classes at each point, [C, S] -> [S], ignoring NaN; NaN if all are NaN."""
    defined = ~np.isnan(values)
    number = defined.sum(0)
    total = np.where(defined, values, 0).sum(0)
    return np.divide(total, number, out=np.full(values.shape[1], np.nan), where=number > 0)


def drawable(text: str) -> bool:
    """Return whether the installed fonts have a glyph for every character of `text`."""
    fonts = [font_manager.get_font(font_manager.findfont(family)) for family in _families()]
    return all(any(ord(character) in font.get_charmap() for font in fonts) for character in text)


def _colour(number: int, total: int) -> tuple[float, float, float, float]:
    if total <= MAX_CLASSES_NAMED:
        return colormaps["tab10" if total <= 10 else "tab20"](number)
    return colormaps["turbo"](number / total)


def _families() -> list[str]:
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *[name for name in CJK_FONTS if name in installed][:1]]
