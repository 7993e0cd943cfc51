"""COCO metrics: average precision and recall over ten IoU thresholds, by object size.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; equal to pycocotools to 1e-9. Difficult
objects are ignored, like crowds.
"""

from typing import NamedTuple

import numpy as np

from utils.data.boxes import box_area
from utils.evaluate.average_precision import COCO_RECALLS, sampled_aps
from utils.evaluate.ground_truth import GroundTruth, RankedDetections
from utils.evaluate.matching import COCO_THRESHOLDS, OverlappingPairs, Verdict, match_coco

AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
MAX_DETECTIONS = (1, 10, 100)  # limits per class and image


class CocoMetrics(NamedTuple):
    """Metrics by area range (in the order of AREAS), class and IoU threshold; NaN if a class has no objects.

    precision  float64 [4, C, 10], average precision with up to 100 detections per class and image
    recall     float64 [4, C, 10, 3], maximum recall with up to 1, 10 and 100 detections
    """

    precision: np.ndarray
    recall: np.ndarray


def compute_coco_metrics(
    found: RankedDetections, ground_truth: GroundTruth, pairs: OverlappingPairs
) -> CocoMetrics:
    """Compute the metrics for every area range; `pairs` must include all pairs with an IoU of .5 or more."""
    classes = len(ground_truth.class_names)
    precision = np.full((len(AREAS), classes, len(COCO_THRESHOLDS)), np.nan)
    recall = np.full((*precision.shape, len(MAX_DETECTIONS)), np.nan)
    for row, limits in enumerate(AREAS.values()):
        objects = np.bincount(ground_truth.labels[~_ignored(ground_truth, limits)], minlength=classes)
        verdicts = coco_verdicts(found, ground_truth, pairs, limits)
        precision[row] = sampled_aps(verdicts, found.class_starts, objects, COCO_RECALLS).T
        recall[row] = np.stack([_recalls(verdict, found, objects) for verdict in verdicts], axis=1)
    return CocoMetrics(precision, recall)


def coco_verdicts(
    found: RankedDetections,
    ground_truth: GroundTruth,
    pairs: OverlappingPairs,
    limits: tuple[float, float] = AREAS["all"],
) -> list[Verdict]:
    """Return the verdict on all detections, by COCO's rule, at each of its ten IoU thresholds.

    limits  minimum and maximum area, in square pixels, of objects that are not ignored
    """
    first_hundred = found.rank < MAX_DETECTIONS[-1]
    pairs = OverlappingPairs(*(column[first_hundred[pairs.detection]] for column in pairs))
    matched, matched_ignored = match_coco(pairs, found, _ignored(ground_truth, limits), ground_truth.crowd)
    areas = box_area(found.boxes)
    other_size = (areas < limits[0]) | (areas > limits[1])
    verdicts = []
    for threshold in range(len(COCO_THRESHOLDS)):
        hit = (matched >> threshold & 1).astype(bool)
        aside = (matched_ignored >> threshold & 1).astype(bool)
        verdicts.append(Verdict(hit & ~aside, first_hundred & ~aside & (hit | ~other_size)))
    return verdicts


def summarise_coco(metrics: CocoMetrics) -> dict[str, float]:
    """Return the twelve summary metrics of COCO; NaN if no class has objects of that size."""
    precision, recall = metrics
    areas = dict(zip(AREAS, range(len(AREAS)), strict=True))
    summary = {
        "map": mean_of_defined(precision[0]),
        "map50": mean_of_defined(precision[0, :, 0]),
        "map75": mean_of_defined(precision[0, :, 5]),
    }
    summary |= {name: mean_of_defined(precision[areas[name]]) for name in ("small", "medium", "large")}
    summary |= {f"ar{limit}": mean_of_defined(recall[0, ..., i]) for i, limit in enumerate(MAX_DETECTIONS)}
    return summary | {
        f"ar_{name}": mean_of_defined(recall[areas[name], ..., -1]) for name in ("small", "medium", "large")
    }


def mean_of_defined(values: np.ndarray) -> float:
    """Return the mean of the values, ignoring NaN; NaN if there are no others."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _ignored(ground_truth: GroundTruth, limits: tuple[float, float]) -> np.ndarray:
    return ground_truth.uncounted | (ground_truth.areas < limits[0]) | (ground_truth.areas > limits[1])


def _recalls(verdict: Verdict, found: RankedDetections, objects: np.ndarray) -> np.ndarray:
    """Return the recall with up to 1, 10 and 100 detections: float64 [C, 3]."""
    labels, rank = found.labels[verdict.correct], found.rank[verdict.correct]
    hits = [np.bincount(labels[rank < limit], minlength=len(objects)) for limit in MAX_DETECTIONS]
    return np.stack(hits, 1) / np.where(objects > 0, objects, np.nan)[:, None]
