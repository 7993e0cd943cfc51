"""Evaluation: VOC and COCO average precision, precision, recall and F1 of detections against ground truth.

One evaluator for training, get_map.py and result files, in three pure steps on flat arrays: match detections
with objects (matching.py), count by class (average_precision.py, coco_metrics.py, pr_curves.py), and
summarise (metrics.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.data.detections import Detections
from utils.data.index import DatasetIndex
from utils.evaluate.average_precision import (
    VOC07_RECALLS,
    area_ap,
    counted_at_hits,
    log_average_miss_rate,
    sampled_ap,
)
from utils.evaluate.coco_metrics import CocoMetrics, compute_coco_metrics, summarise_coco
from utils.evaluate.ground_truth import (
    FlatDetections,
    GroundTruth,
    check_ground_truth,
    flatten_detections,
    rank_detections,
)
from utils.evaluate.matching import COCO_THRESHOLDS, Matched, match_voc, overlapping_pairs
from utils.evaluate.metrics import Metrics
from utils.evaluate.pr_curves import best_f1, curves, metrics_at

__all__ = ["GroundTruth", "Matched", "Metrics", "compute_metrics", "evaluate", "match_detections"]


class Counts(NamedTuple):
    """The result of the second step, by class.

    objects  int64 [C], number of objects, without difficult ones and crowds
    at_hits  int64 per class: at each true positive, the number of detections so far that are not ignored
    coco     average precision and recall by size, class and IoU threshold
    """

    objects: np.ndarray
    at_hits: list[np.ndarray]
    coco: CocoMetrics


def evaluate(
    detections: Sequence[Detections] | FlatDetections,
    ground_truth: DatasetIndex | GroundTruth,
    *,
    min_overlap: float = 0.5,
    score_threshold: float = 0.5,
) -> Metrics:
    """Compute all metrics of the detections against the ground truth.

    detections       one element per image of the ground truth, in the same order, or all detections flat;
        xyxy pixels of the original image; use a low confidence threshold (.001), because average precision is
        computed over all thresholds
    min_overlap      minimum IoU of a match, for all metrics but COCO's
    score_threshold  confidence threshold at which precision, recall and F1 are reported

    VOC metrics follow the devkit: a detection is assigned to the object of highest IoU, further detections of
    an object are false positives, difficult objects are ignored. Areas are plain areas of float boxes; the
    devkit adds a pixel to each side, because it uses whole pixels. VOC metrics treat crowds like difficult
    objects, COCO metrics treat difficult objects like ignored ones.

    Raises ValueError if the number of images differs, for non-finite scores or boxes, or labels out of range.
    """
    return compute_metrics(match_detections(detections, ground_truth, min_overlap), score_threshold)


def compute_metrics(matched: Matched, score_threshold: float = 0.5) -> Metrics:
    """Compute the metrics from the result of `match_detections`; see `evaluate`."""
    return to_metrics(matched, accumulate(matched), score_threshold)


def match_detections(
    detections: Sequence[Detections] | FlatDetections,
    ground_truth: DatasetIndex | GroundTruth,
    min_overlap: float = 0.5,
) -> Matched:
    """Match detections with objects (first step). Arguments and errors are those of `evaluate`."""
    if isinstance(ground_truth, DatasetIndex):
        ground_truth = GroundTruth.from_index(ground_truth)
    if not isinstance(detections, FlatDetections):
        if len(detections) != ground_truth.num_images:
            raise ValueError(
                f"there are detections for {len(detections)} images, but ground truth for "
                f"{ground_truth.num_images}; give one element per image, an empty one where nothing was found"
            )
        detections = flatten_detections(detections)
    if not 0 < min_overlap <= 1:
        raise ValueError(f"min_overlap must be above 0 and at most 1, not {min_overlap}")
    check_ground_truth(ground_truth)
    found = rank_detections(detections, ground_truth.num_images, len(ground_truth.class_names))
    pairs = overlapping_pairs(found, ground_truth, least=min(min_overlap, COCO_THRESHOLDS[0]))
    verdict = match_voc(pairs, ground_truth.uncounted, len(found.scores), min_overlap)
    return Matched(found, ground_truth, pairs, verdict, min_overlap)


def accumulate(matched: Matched) -> Counts:
    """Count by class (second step)."""
    found, ground_truth, pairs, verdict, _ = matched
    return Counts(
        objects=np.bincount(
            ground_truth.labels[~ground_truth.uncounted], minlength=len(ground_truth.class_names)
        ),
        at_hits=counted_at_hits(verdict, found.class_starts),
        coco=compute_coco_metrics(found, ground_truth, pairs),
    )


def to_metrics(matched: Matched, counts: Counts, score_threshold: float) -> Metrics:
    """Compute the reported metrics (third step)."""
    found, ground_truth, _, verdict, min_overlap = matched
    objects, coco = counts.objects, counts.coco
    at_hits = counts.at_hits
    precision, recall, f1 = metrics_at(np.array([score_threshold]), found, verdict, objects)
    confidence, best = best_f1(found, verdict, objects)
    return Metrics(
        class_names=ground_truth.class_names,
        num_images=ground_truth.num_images,
        objects=objects,
        detections=np.diff(found.class_starts),
        lowest_score=float(found.scores.min()) if len(found.scores) else float("nan"),
        min_overlap=min_overlap,
        score_threshold=score_threshold,
        voc07=sampled_ap(at_hits, objects, VOC07_RECALLS),
        voc_area=area_ap(at_hits, objects),
        miss_rate=log_average_miss_rate(at_hits, objects, ground_truth.num_images),
        coco=summarise_coco(coco),
        coco_ap=coco.precision[0].mean(-1),
        coco_ap50=coco.precision[0, :, 0],
        coco_ap_by_size=coco.precision[1:].mean(-1),
        precision=precision[:, 0],
        recall=recall[:, 0],
        f1=f1[:, 0],
        best_f1=best[:-1],
        best_confidence=confidence[:-1],
        mean_best_f1=float(best[-1]),
        best_f1_confidence=float(confidence[-1]),
        curves=curves(found, verdict, objects),
    )
