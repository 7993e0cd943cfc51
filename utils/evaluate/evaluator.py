"""Evaluation: VOC and COCO average precision, precision, recall and F1 of detections against ground truth.

One evaluator for training, get_map and files, in three pure steps on flat arrays: match detections with
objects (matching.py), count by class (average_precision.py, coco_metrics.py, pr_curves.py), and summarise
(metrics.py).
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
from utils.evaluate.coco_metrics import CocoFigures, coco_figures, summarise_coco
from utils.evaluate.ground_truth import (
    FlatDetections,
    GroundTruth,
    check_ground_truth,
    flatten_detections,
    rank_detections,
)
from utils.evaluate.matching import COCO_THRESHOLDS, Matched, match_voc, overlapping_pairs
from utils.evaluate.metrics import Metrics
from utils.evaluate.pr_curves import best_f1, curves, figures_at

__all__ = ["GroundTruth", "Matched", "Metrics", "compute_metrics", "evaluate", "match_detections"]


class Counts(NamedTuple):
    """The second step's result, by class.

    objects  int64 [C], how many there are to be found: neither difficult nor crowds
    at_hits  for each class int64, at each correct detection how many counted ones there are up to it
    coco     average precision and recall by size, class and overlap
    """

    objects: np.ndarray
    at_hits: list[np.ndarray]
    coco: CocoFigures


def evaluate(
    detections: Sequence[Detections] | FlatDetections,
    ground_truth: DatasetIndex | GroundTruth,
    *,
    min_overlap: float = 0.5,
    score_threshold: float = 0.5,
) -> Metrics:
    """Measure detections against the objects that are there.

    detections       one element for each image of the ground truth, in its order, or all of them flat; xyxy
        pixels of the original image; with scores from a small threshold on (.001), since average precision is
        measured over all thresholds
    min_overlap      the intersection over union that a match needs, for all figures but COCO's
    score_threshold  the confidence at which precision, recall and F1 are reported

    VOC figures follow the devkit's rules: a detection belongs to the object that it overlaps best, the second
    detection of an object is a false positive, difficult objects count neither way. Areas are plain areas of
    float boxes; the devkit adds a pixel to each side, because its coordinates are of whole pixels. Crowds are
    treated like difficult objects there, and difficult objects like ignored ones in the COCO figures.

    Raises ValueError for another number of images, for scores or boxes that are not finite and for labels
    beyond the classes.
    """
    return compute_metrics(match_detections(detections, ground_truth, min_overlap), score_threshold)


def compute_metrics(matched: Matched, score_threshold: float = 0.5) -> Metrics:
    """The figures of what `match_detections` returned; see `evaluate`."""
    return to_metrics(matched, accumulate(matched), score_threshold)


def match_detections(
    detections: Sequence[Detections] | FlatDetections,
    ground_truth: DatasetIndex | GroundTruth,
    min_overlap: float = 0.5,
) -> Matched:
    """The first step: which detection found which object. Arguments and errors are those of `evaluate`."""
    truth = GroundTruth.from_index(ground_truth) if isinstance(ground_truth, DatasetIndex) else ground_truth
    if not isinstance(detections, FlatDetections):
        if len(detections) != truth.num_images:
            raise ValueError(
                f"there are detections for {len(detections)} images, but ground truth for "
                f"{truth.num_images}; give one element for each image, an empty one where nothing was found"
            )
        detections = flatten_detections(detections)
    if not 0 < min_overlap <= 1:
        raise ValueError(f"min_overlap must be above 0 and at most 1, not {min_overlap}")
    check_ground_truth(truth)
    found = rank_detections(detections, truth.num_images, len(truth.class_names))
    pairs = overlapping_pairs(found, truth, least=min(min_overlap, COCO_THRESHOLDS[0]))
    verdict = match_voc(pairs, truth.uncounted, len(found.scores), min_overlap)
    return Matched(found, truth, pairs, verdict, min_overlap)


def accumulate(matched: Matched) -> Counts:
    """The second step: count by class."""
    found, truth, pairs, verdict, _ = matched
    return Counts(
        objects=np.bincount(truth.labels[~truth.uncounted], minlength=len(truth.class_names)),
        at_hits=counted_at_hits(verdict, found.class_starts),
        coco=coco_figures(found, truth, pairs),
    )


def to_metrics(matched: Matched, counts: Counts, score_threshold: float) -> Metrics:
    """The third step: the figures that are reported."""
    found, truth, _, verdict, min_overlap = matched
    objects, coco = counts.objects, counts.coco
    hits = list(zip(counts.at_hits, objects.tolist(), strict=True))
    precision, recall, f1 = figures_at(np.array([score_threshold]), found, verdict, objects)
    confidence, best = best_f1(found, verdict, objects)
    return Metrics(
        class_names=truth.class_names,
        num_images=truth.num_images,
        objects=objects,
        detections=np.diff(found.class_starts),
        lowest_score=float(found.scores.min()) if len(found.scores) else float("nan"),
        min_overlap=min_overlap,
        score_threshold=score_threshold,
        voc07=np.array([sampled_ap(counted, number, VOC07_RECALLS) for counted, number in hits]),
        voc_area=np.array([area_ap(counted, number) for counted, number in hits]),
        miss_rate=np.array([log_average_miss_rate(c, number, truth.num_images) for c, number in hits]),
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
