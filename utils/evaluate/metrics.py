"""The metrics of an evaluation, with their output as JSON and as a text table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from utils.data.summary import terminal_width
from utils.evaluate.coco_metrics import mean_of_defined
from utils.evaluate.pr_curves import Curves

_SUMMARY = (
    ("map", "COCO AP    IoU .50 to .95"),
    ("map50", "COCO AP50  IoU .50"),
    ("map75", "COCO AP75  IoU .75"),
    ("small", "COCO AP of small objects, under 32x32 pixels"),
    ("medium", "COCO AP of medium objects"),
    ("large", "COCO AP of large objects, over 96x96 pixels"),
    ("ar1", "COCO AR    1 detection per class and image"),
    ("ar10", "COCO AR   10 detections"),
    ("ar100", "COCO AR  100 detections"),
    ("ar_small", "COCO AR of small objects"),
    ("ar_medium", "COCO AR of medium objects"),
    ("ar_large", "COCO AR of large objects"),
)


@dataclass(frozen=True, eq=False)
class Metrics:
    """All metrics, between 0 and 1. [C]: one value per class, NaN without objects.

    class_names, num_images, objects [C], detections [C]  what was evaluated; `objects` does not count
        difficult ones and crowds
    lowest_score      lowest score of all detections, NaN without detections
    min_overlap       minimum IoU of a match, for all but the COCO metrics
    score_threshold   confidence threshold of `precision`, `recall` and `f1`
    voc07, voc_area   average precision [C] of VOC 2007 (11 points), and of VOC 2010 and later (area)
    miss_rate         log-average miss rate [C]; lower is better
    coco              the twelve summary metrics: map, map50, map75, small, medium, large, ar1, ar10, ar100,
        ar_small, ar_medium, ar_large
    coco_ap, coco_ap50  COCO average precision [C] over all IoU thresholds, and at IoU .5
    coco_ap_by_size   COCO average precision [3, C] of small, medium and large objects
    precision, recall, f1  [C] at `score_threshold`; precision is also NaN if no detection reaches it
    best_f1, best_confidence  [C] best F1 per class, and the confidence threshold that gives it
    mean_best_f1, best_f1_confidence  best mean F1 with one threshold for all classes, and that threshold
    curves            precision, recall and F1 against confidence, precision against recall
    """

    class_names: tuple[str, ...]
    num_images: int
    objects: np.ndarray
    detections: np.ndarray
    lowest_score: float
    min_overlap: float
    score_threshold: float
    voc07: np.ndarray
    voc_area: np.ndarray
    miss_rate: np.ndarray
    coco: dict[str, float]
    coco_ap: np.ndarray
    coco_ap50: np.ndarray
    coco_ap_by_size: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    best_f1: np.ndarray
    best_confidence: np.ndarray
    mean_best_f1: float
    best_f1_confidence: float
    curves: Curves

    @property
    def map50(self) -> float:
        """COCO AP50; NaN without any object."""
        return self.coco["map50"]

    @property
    def map50_95(self) -> float:
        """COCO AP over the IoU thresholds .50 to .95; NaN without any object."""
        return self.coco["map"]

    @cached_property
    def means(self) -> dict[str, float]:
        """Means of the metrics per class, ignoring NaN, by field name."""
        by_class = {
            "voc07": self.voc07,
            "voc_area": self.voc_area,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "miss_rate": self.miss_rate,
        }
        return {name: mean_of_defined(values) for name, values in by_class.items()}

    @property
    def operating_confidence(self) -> float:
        """The confidence threshold of the best mean F1, or `score_threshold` if nothing was found."""
        return self.best_f1_confidence if self.best_f1_confidence > 0 else self.score_threshold

    def to_json(self) -> dict[str, Any]:
        """Return everything but the curves as plain data, with None for NaN."""
        means = {name: none_if_nan(value) for name, value in self.means.items()}
        return {
            "voc07_11point": {"map": means["voc07"], "per_class": self._by_class(self.voc07)},
            "voc_area": {"map": means["voc_area"], "per_class": self._by_class(self.voc_area)},
            "coco": {name: none_if_nan(value) for name, value in self.coco.items()}
            | {"per_class": self._by_class(self.coco_ap), "per_class_50": self._by_class(self.coco_ap50)}
            | {
                f"per_class_{size}": self._by_class(values)
                for size, values in zip(("small", "medium", "large"), self.coco_ap_by_size, strict=True)
            },
            "log_average_miss_rate": {
                "mean": means["miss_rate"],
                "per_class": self._by_class(self.miss_rate),
            },
            "precision": means["precision"],
            "recall": means["recall"],
            "f1": means["f1"],
            "best_f1": none_if_nan(self.mean_best_f1),
            "best_f1_confidence": none_if_nan(self.best_f1_confidence),
            "min_overlap": self.min_overlap,
            "score_threshold": self.score_threshold,
            "lowest_score": none_if_nan(self.lowest_score),
            "images": self.num_images,
            "per_class": {
                name: {
                    "objects": int(self.objects[label]),
                    "detections": int(self.detections[label]),
                    "precision": none_if_nan(self.precision[label]),
                    "recall": none_if_nan(self.recall[label]),
                    "f1": none_if_nan(self.f1[label]),
                    "best_f1": none_if_nan(self.best_f1[label]),
                    "best_f1_confidence": none_if_nan(self.best_confidence[label]),
                }
                for label, name in enumerate(self.class_names)
            },
        }

    def table(self, class_names: Sequence[str] | None = None) -> str:
        """Return all metrics as a text table; `class_names`, such as translated ones, replaces the names."""
        names = tuple(class_names or self.class_names)
        assert len(names) == len(self.class_names), "one name for each class"
        return "\n".join([*self._summary(), "", *self._class_rows(names), *self._notes(names)])

    def _summary(self) -> list[str]:
        iou, confidence, means = f"{self.min_overlap:.2f}", f"{self.score_threshold:.2f}", self.means
        lines = [
            (f"VOC 2007 mAP, 11 points, IoU {iou}", means["voc07"]),
            (f"VOC mAP, area under the curve, IoU {iou}", means["voc_area"]),
            *((text, self.coco[name]) for name, text in _SUMMARY),
            (f"mean precision at confidence {confidence}", means["precision"]),
            (f"mean recall at confidence {confidence}", means["recall"]),
            (f"mean F1 at confidence {confidence}", means["f1"]),
            ("best mean F1", self.mean_best_f1),
            ("confidence of the best mean F1", self.best_f1_confidence),
            ("mean log-average miss rate (lower is better)", means["miss_rate"]),
        ]
        return [f"{text:<50}{metric_text(value):>8}" for text, value in lines]

    def _class_rows(self, names: Sequence[str]) -> list[str]:
        average = (self.voc07, self.voc_area, self.coco_ap)
        columns = (*average, self.precision, self.recall, self.f1, self.best_f1, self.best_confidence)
        heads = ("objects", "detected", "VOC07", "VOC", "COCO", "P", "R", "F1", "best F1", "at conf")
        widths = [terminal_width(name) for name in names]
        width = max([len("class"), *widths])
        rows = ["class".ljust(width) + "".join(f"{head:>9}" for head in heads)]
        for label, name in enumerate(names):
            padded = name + " " * (width - widths[label])
            counts = f"{self.objects[label]:>9}{self.detections[label]:>9}"
            rows.append(padded + counts + "".join(f"{metric_text(column[label]):>9}" for column in columns))
        return rows

    def _notes(self, names: Sequence[str]) -> list[str]:
        notes = ["", f"{self.num_images} images. Difficult objects and crowds are ignored."]
        if not math.isnan(self.lowest_score):
            notes.append(
                f"AP is computed over all detections, here with scores from {self.lowest_score:.4f}: "
                "evaluation uses a low confidence threshold.\nPrecision (P), recall (R) and F1 are those "
                f"at confidence {self.score_threshold:.2f}, as in prediction."
            )
        absent = [name for name, number in zip(names, self.objects, strict=True) if number == 0]
        if absent:
            notes.append(f"Without objects, so excluded from all means: {', '.join(absent)}.")
        return notes

    def _by_class(self, values: np.ndarray) -> dict[str, float | None]:
        return dict(zip(self.class_names, none_if_nan(values), strict=True))


def none_if_nan(values: ArrayLike) -> Any:
    """Return a number or an array as nested lists, with None for NaN, for JSON."""
    return np.where(np.isnan(values), np.array(None), values).tolist()


def metric_text(value: float) -> str:
    """Format a metric with four decimals, or a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.4f}"
