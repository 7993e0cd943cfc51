"""What lies behind the figures of an evaluation: which errors, on which images, how sure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.analysis.bootstrap import Interval, affordable_resamples, intervals
from utils.analysis.calibration import Calibration, calibration
from utils.analysis.confusion_matrix import confusion_matrix
from utils.analysis.label_errors import Suspect, suspect_labels
from utils.analysis.per_image import ImageFigures, image_figures
from utils.analysis.tide import KINDS, ErrorKinds, error_kinds
from utils.evaluate.matching import Matched
from utils.evaluate.metrics import figure, plain

MOST_CONFUSED = 5  # pairs of classes named in the text


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that is counted beside the metrics.

    confidence   the score from which detections are shown in `confusion` and `images`
    resamples    of which the intervals were made, 0 where there are none
    """

    confidence: float
    confusion: np.ndarray
    images: ImageFigures
    errors: ErrorKinds
    calibration: Calibration
    suspects: list[Suspect]
    intervals: dict[str, Interval]
    resamples: int

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """All of it as plain data; None where a figure is not defined."""
        return {
            "confidence": self.confidence,
            "confusion": {"classes": [*class_names, "background"], "matrix": self.confusion.tolist()},
            "errors": {
                kind: {
                    "number": int(self.errors.number[k].sum()),
                    "ap_cost": plain(self.errors.cost[k]),
                    "per_class": {
                        name: {
                            "number": int(self.errors.number[k, label]),
                            "ap_cost": plain(self.errors.class_cost[k, label]),
                        }
                        for label, name in enumerate(class_names)
                    },
                }
                for k, kind in enumerate(KINDS)
            },
            "calibration": {
                "edges": self.calibration.edges.tolist(),
                "number": self.calibration.number.tolist(),
                "score": [*map(plain, self.calibration.score)],
                "correct": [*map(plain, self.calibration.correct)],
                "error": plain(self.calibration.error),
            },
            "intervals": {
                name: {key: plain(value) for key, value in interval._asdict().items()}
                for name, interval in self.intervals.items()
            },
            "resamples": self.resamples,
            "suspects": [_suspect(suspect, class_names) for suspect in self.suspects],
        }

    def text(self, class_names: Sequence[str]) -> str:
        """The most important of it, to read in a terminal."""
        return "\n".join(
            [
                *self._interval_lines(),
                *self._error_lines(),
                *self._confusion_lines(class_names),
                f"scores and correctness differ by {figure(self.calibration.error)} on average "
                "(expected calibration error)",
            ]
        )

    def _interval_lines(self) -> list[str]:
        names = {"map": "mAP50-95", "map50": "mAP50"}
        spans = [
            f"{text} {figure(found.value)} ({figure(found.low)} to {figure(found.high)})"
            for name, text in names.items()
            if (found := self.intervals.get(name))
        ]
        if not spans:
            return []
        return [
            f"on other images like these, 95 % interval of {self.resamples} resamples: {', '.join(spans)}"
        ]

    def _error_lines(self) -> list[str]:
        parts = [
            f"{kind} {cost:.3f} ({number})"
            for kind, cost, number in zip(KINDS, self.errors.cost, self.errors.number.sum(1), strict=True)
            if not math.isnan(cost)
        ]
        return [f"what errors cost in VOC mAP (and how many there are): {', '.join(parts)}"] if parts else []

    def _confusion_lines(self, class_names: Sequence[str]) -> list[str]:
        between = self.confusion[:-1, :-1].copy()
        np.fill_diagonal(between, 0)
        order = np.argsort(-between, axis=None, kind="stable")[:MOST_CONFUSED]
        pairs = [
            f"{class_names[row]} taken for {class_names[column]} ({between[row, column]})"
            for row, column in zip(*np.unravel_index(order, between.shape), strict=True)
            if between[row, column]
        ]
        return [f"most confused at confidence {self.confidence:.2f}: {', '.join(pairs)}"] if pairs else []


def analyse(matched: Matched, confidence: float, resamples: int = 1000, seed: int = 0) -> Analysis:
    """Count all of it. Fewer resamples are made where so many would take long, none for `resamples` of 0."""
    affordable = affordable_resamples(len(matched.found.scores), resamples)
    return Analysis(
        confidence=confidence,
        confusion=confusion_matrix(matched, confidence),
        images=image_figures(matched, confidence),
        errors=error_kinds(matched),
        calibration=calibration(matched),
        suspects=suspect_labels(matched),
        intervals=intervals(matched, affordable, seed) if resamples else {},
        resamples=affordable if resamples else 0,
    )


def _suspect(suspect: Suspect, class_names: Sequence[str]) -> dict[str, Any]:
    names = {
        key: None if label < 0 else class_names[label]
        for key, label in (("label", suspect.label), ("suggested", suspect.suggested))
    }
    return suspect._asdict() | names
