"""The content of a report as plain data for the page, with None for NaN."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from utils.analysis.analyse import Analysis
from utils.analysis.tide import KINDS
from utils.evaluate.matching import Matched
from utils.evaluate.metrics import Metrics
from utils.evaluate.pr_curves import CURVE_CONFIDENCES, CURVE_RECALLS
from utils.report.curves import mean_curve
from utils.report.images import label_error_images, worst_images

CURVE_STEP = 5  # keep every fifth of the 1001 points of a curve
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Report:
    """The content of a report.

    title        heading
    paths        image paths; None if not known
    facts        what was evaluated, and how: pairs of a name and a value
    comparisons  sentences about other results
    history      columns of metrics.csv, for a training run
    names        image names, listed if there are no paths
    """

    title: str
    metrics: Metrics
    analysis: Analysis
    matched: Matched
    paths: Sequence[Path] | None = None
    facts: Sequence[tuple[str, str]] = ()
    comparisons: Sequence[str] = ()
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    names: Sequence[str] = ()


def report_data(report: Report) -> dict[str, Any]:
    """Return the data of the page, without texts."""
    metrics, analysis = report.metrics, report.analysis
    sources = report.paths or report.names
    return {
        "title": report.title,
        "facts": [list(fact) for fact in report.facts],
        "comparisons": list(report.comparisons),
        "classes": list(metrics.class_names),
        "imageCount": metrics.num_images,
        "minOverlap": metrics.min_overlap,
        "scoreThreshold": metrics.score_threshold,
        "confidence": analysis.confidence,
        "summary": summary_metrics(metrics),
        "intervals": {name: _plain(found[1:]) for name, found in analysis.intervals.items()},
        "resamples": analysis.resamples,
        "perClass": class_metrics(metrics),
        "curves": _curves(metrics),
        "confusion": analysis.confusion.tolist(),
        "errors": {
            "kinds": list(KINDS),
            "number": analysis.errors.number.sum(1).tolist(),
            "cost": _plain(analysis.errors.cost),
            "classNumber": analysis.errors.number.tolist(),
            "classCost": _plain(analysis.errors.class_cost),
        },
        "calibration": {
            "edges": _plain(analysis.calibration.edges),
            "number": analysis.calibration.number.tolist(),
            "score": _plain(analysis.calibration.score),
            "correct": _plain(analysis.calibration.correct),
            "error": _plain(analysis.calibration.error),
        },
        "worstImages": worst_images(report.matched, analysis, sources) if sources else [],
        "suspects": label_error_images(analysis.label_errors, sources) if sources else [],
        "history": {name: _significant(values) for name, values in report.history.items()},
    }


def summary_metrics(metrics: Metrics) -> dict[str, float | None]:
    """Return the summary metrics by name."""
    summary = metrics.coco | metrics.means
    summary |= {"best_f1": metrics.mean_best_f1, "best_confidence": metrics.best_f1_confidence}
    return {name: _plain(value) for name, value in summary.items()}


def class_metrics(metrics: Metrics) -> dict[str, list[Any]]:
    """Return the columns of the class table by name."""
    small, medium, large = metrics.coco_ap_by_size
    columns = {
        "ap": metrics.coco_ap,
        "ap50": metrics.coco_ap50,
        "voc_area": metrics.voc_area,
        "voc07": metrics.voc07,
        "small": small,
        "medium": medium,
        "large": large,
        "precision": metrics.precision,
        "recall": metrics.recall,
        "f1": metrics.f1,
        "best_f1": metrics.best_f1,
        "best_confidence": metrics.best_confidence,
    }
    counts = {"objects": metrics.objects.tolist(), "detections": metrics.detections.tolist()}
    return counts | {name: _plain(values) for name, values in columns.items()}


def _curves(metrics: Metrics) -> dict[str, Any]:
    """Return each curve by class, with the mean as the last row."""
    curves = metrics.curves
    named = {
        "precision": curves.precision,
        "recall": curves.recall,
        "f1": curves.f1,
        "pr": curves.precision_at_recall,
    }
    with_mean = {
        name: [_plain(row[::CURVE_STEP]) for row in (*values, mean_curve(values))]
        for name, values in named.items()
    }
    return {
        "confidence": _plain(CURVE_CONFIDENCES[::CURVE_STEP]),
        "recalls": _plain(CURVE_RECALLS[::CURVE_STEP]),
        **with_mean,
    }


def _significant(values: Sequence[float]) -> list[float | None]:
    """Round to six significant digits, because learning rates are small; None for NaN."""
    return [None if math.isnan(value) else float(f"{value:.6g}") for value in values]


def _plain(values: Any) -> Any:
    """Round to four decimals, in lists nested like `values`; None for NaN."""
    if isinstance(values, np.ndarray | list | tuple):
        return [_plain(value) for value in values]
    number = float(values)
    return None if math.isnan(number) else round(number, DIGITS)
