"""Run all analyses of an evaluation: error types, confusion, calibration, intervals and label errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.analysis.bootstrap import Interval, affordable_resamples, intervals
from utils.analysis.calibration import Calibration, calibration
from utils.analysis.confusion_matrix import confusion_matrix
from utils.analysis.label_errors import LabelError, find_label_errors
from utils.analysis.per_image import ImageCounts, count_per_image
from utils.analysis.tide import KINDS, ErrorKinds, error_kinds
from utils.evaluate.matching import Matched
from utils.evaluate.metrics import metric_text, none_if_nan

MAX_CONFUSED_PAIRS = 5  # maximum number of class pairs in the text


@dataclass(frozen=True, eq=False)
class Analysis:
    """All results of an evaluation besides the metrics.

    confidence  confidence threshold of `confusion` and `image_counts`
    resamples   number of bootstrap resamples for `intervals`, 0 without intervals
    """

    confidence: float
    confusion: np.ndarray
    image_counts: ImageCounts
    errors: ErrorKinds
    calibration: Calibration
    label_errors: list[LabelError]
    intervals: dict[str, Interval]
    resamples: int

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return all results as plain data, with None for NaN."""
        cost, class_cost = none_if_nan(self.errors.cost), none_if_nan(self.errors.class_cost)
        return {
            "confidence": self.confidence,
            "confusion": {"classes": [*class_names, "background"], "matrix": self.confusion.tolist()},
            "errors": {
                kind: {
                    "number": int(self.errors.number[k].sum()),
                    "ap_cost": cost[k],
                    "per_class": {
                        name: {
                            "number": int(self.errors.number[k, label]),
                            "ap_cost": class_cost[k][label],
                        }
                        for label, name in enumerate(class_names)
                    },
                }
                for k, kind in enumerate(KINDS)
            },
            "calibration": {
                "edges": self.calibration.edges.tolist(),
                "number": self.calibration.number.tolist(),
                "score": none_if_nan(self.calibration.score),
                "correct": none_if_nan(self.calibration.correct),
                "error": none_if_nan(self.calibration.error),
            },
            "intervals": {
                name: dict(zip(Interval._fields, none_if_nan(interval), strict=True))
                for name, interval in self.intervals.items()
            },
            "resamples": self.resamples,
            "suspects": [_label_error(error, class_names) for error in self.label_errors],
        }

    def text(self, class_names: Sequence[str]) -> str:
        """Return the most important results as text for the terminal."""
        return "\n".join(
            [
                *self._interval_lines(),
                *self._error_lines(),
                *self._confusion_lines(class_names),
                f"expected calibration error {metric_text(self.calibration.error)}: "
                "the mean difference between scores and the share of correct detections",
            ]
        )

    def _interval_lines(self) -> list[str]:
        names = {"map": "mAP50-95", "map50": "mAP50"}
        spans = [
            f"{text} {metric_text(found.value)} ({metric_text(found.low)} to {metric_text(found.high)})"
            for name, text in names.items()
            if (found := self.intervals.get(name))
        ]
        if not spans:
            return []
        return [f"95 % confidence intervals (bootstrap, {self.resamples} resamples): {', '.join(spans)}"]

    def _error_lines(self) -> list[str]:
        parts = [
            f"{kind} {cost:.3f} ({number})"
            for kind, cost, number in zip(KINDS, self.errors.cost, self.errors.number.sum(1), strict=True)
            if not math.isnan(cost)
        ]
        if not parts:
            return []
        return [f"VOC mAP lost to each kind of error (and number of errors): {', '.join(parts)}"]

    def _confusion_lines(self, class_names: Sequence[str]) -> list[str]:
        between = self.confusion[:-1, :-1].copy()
        np.fill_diagonal(between, 0)
        order = np.argsort(-between, axis=None, kind="stable")[:MAX_CONFUSED_PAIRS]
        pairs = [
            f"{class_names[row]} detected as {class_names[column]} ({between[row, column]})"
            for row, column in zip(*np.unravel_index(order, between.shape), strict=True)
            if between[row, column]
        ]
        if not pairs:
            return []
        return [f"most confused classes at confidence {self.confidence:.2f}: {', '.join(pairs)}"]


def analyse(matched: Matched, confidence: float, resamples: int = 1000, seed: int = 0) -> Analysis:
    """Run all analyses, with fewer `resamples` if they would take too long; 0 computes no intervals."""
    affordable = affordable_resamples(len(matched.found.scores), resamples)
    return Analysis(
        confidence=confidence,
        confusion=confusion_matrix(matched, confidence),
        image_counts=count_per_image(matched, confidence),
        errors=error_kinds(matched),
        calibration=calibration(matched),
        label_errors=find_label_errors(matched),
        intervals=intervals(matched, affordable, seed) if resamples else {},
        resamples=affordable if resamples else 0,
    )


def _label_error(error: LabelError, class_names: Sequence[str]) -> dict[str, Any]:
    def name(label: int) -> str | None:
        return None if label < 0 else class_names[label]

    return {
        "kind": error.kind,
        "image": error.image_number,
        "score": error.score,
        "label": name(error.label),
        "suggested": name(error.suggested),
        "box": error.box,
        "suggested_box": error.suggested_box,
    }
