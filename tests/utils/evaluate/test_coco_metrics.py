"""COCO figures are those of pycocotools: on its own example and on random hard cases."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.helpers import SHARED, needs_shared
from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.data.detections import Detections
from utils.evaluate.coco_metrics import compute_coco_metrics, summarise_coco
from utils.evaluate.evaluator import evaluate
from utils.evaluate.ground_truth import GroundTruth, flatten_detections, rank_detections
from utils.evaluate.matching import overlapping_pairs

NAMES = ("map", "map50", "map75", "small", "medium", "large", "ar1", "ar10", "ar100")
NAMES += ("ar_small", "ar_medium", "ar_large")


class PeerWithDifficult(COCOeval):
    """pycocotools ignores crowds only: give difficult objects its flag too, in the place where it sets it."""

    def _prepare(self):
        super()._prepare()
        for objects_here in self._gts.values():
            for item in objects_here:
                item["ignore"] = item["ignore"] or item["difficult"]


def peer_figures(truth: GroundTruth, detections: list[Detections]) -> COCOeval:
    boxes = truth.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    ground_truth = COCO()
    ground_truth.dataset = {
        "images": [{"id": image} for image in range(truth.num_images)],
        "categories": [{"id": label, "name": name} for label, name in enumerate(truth.class_names)],
        "annotations": [
            {
                "id": number + 1,  # 0 would mean "not matched" there
                "image_id": int(truth.image_numbers[number]),
                "category_id": int(truth.labels[number]),
                "bbox": boxes[number].tolist(),
                "area": float(truth.areas[number]),
                "iscrowd": int(truth.crowd[number]),
                "difficult": int(truth.difficult[number]),
            }
            for number in range(len(boxes))
        ],
    }
    results = [
        {
            "image_id": image,
            "category_id": int(label),
            "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()],
            "score": float(score),
        }
        for image, here in enumerate(detections)
        for box, score, label in zip(here.boxes, here.scores, here.labels, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth.createIndex()
        peer = PeerWithDifficult(ground_truth, ground_truth.loadRes(results), "bbox")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
    return peer


def our_figures(truth: GroundTruth, detections: list[Detections]):
    ranked = rank_detections(flatten_detections(detections), truth.num_images, len(truth.class_names))
    return compute_coco_metrics(ranked, truth, overlapping_pairs(ranked, truth, 0.5))


@pytest.mark.parametrize("block", range(10))
def test_random_hard_cases_equal_pycocotools(block):
    compared = 0
    for seed in range(block * 20, block * 20 + 20):
        truth, detections = random_case(np.random.default_rng(seed))
        if not any(map(len, detections)):
            continue  # pycocotools cannot read an empty list of results
        ours, peer = our_figures(truth, detections), peer_figures(truth, detections)
        summary = summarise_coco(ours)
        np.testing.assert_allclose(
            np.nan_to_num([summary[name] for name in NAMES], nan=-1), peer.stats, atol=1e-9, rtol=0
        )
        by_class = peer.eval["precision"][..., -1].mean(1).transpose(2, 1, 0)  # [4, C, 10]
        np.testing.assert_allclose(np.nan_to_num(ours.precision, nan=-1), by_class, atol=1e-9, rtol=0)
        recalls = peer.eval["recall"].transpose(2, 1, 0, 3)
        np.testing.assert_allclose(np.nan_to_num(ours.recall, nan=-1), recalls, atol=1e-9, rtol=0)
        compared += 1
    assert compared > 10


def test_random_cases_are_hard():
    """What the comparison is for does occur: else its agreement says little."""
    cases = [random_case(np.random.default_rng(seed)) for seed in range(200)]
    counts = [
        np.unique(here.labels, return_counts=True)[1].max(initial=0) for _, found_ in cases for here in found_
    ]
    assert sum(count > 100 for count in counts) > 5
    assert sum(truth.crowd.any() for truth, _ in cases) > 50
    assert (
        sum((np.bincount(truth.image_numbers, minlength=truth.num_images) == 0).any() for truth, _ in cases)
        > 20
    )
    assert sum((truth.boxes[:, 0] == truth.boxes[:, 2]).any() for truth, _ in cases) > 20
    figures = [summarise_coco(our_figures(*case))["map"] for case in cases]
    assert np.mean([0.1 < figure < 0.9 for figure in figures]) > 0.6


def test_average_recall_by_hand():
    # Two objects on one image, both found exactly: with one detection 1/2, with ten 1.
    truth = objects([[UNIT, (50, 0, 60, 10)]])
    summary = summarise_coco(our_figures(truth, [found((UNIT, 0.9), ((50, 0, 60, 10), 0.8))]))
    assert (summary["ar1"], summary["ar10"], summary["ar100"]) == (0.5, 1, 1)
    assert summary["ar_small"] == 1
    assert np.isnan(summary["ar_large"])


def test_average_precision_over_overlaps_by_hand():
    # An overlap of .818 reaches seven of ten thresholds.
    summary = summarise_coco(our_figures(objects([[UNIT]]), [found((shifted(1), 0.9))]))
    assert summary["map"] == pytest.approx(0.7, abs=1e-12)
    assert (summary["map50"], summary["map75"]) == (1, 1)


@needs_shared
def test_the_example_of_pycocotools():
    folder = SHARED / "data" / "eval_cocoapi"
    content = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    truth, detections = coco_example(content, results)
    metrics = evaluate(detections, truth)
    expected = [0.5045807, 0.6969727, 0.5729817, 0.5856257, 0.5193997, 0.5013979]
    expected += [0.3868128, 0.5936796, 0.5953530, 0.6398110, 0.5664206, 0.5642906]
    np.testing.assert_allclose([metrics.coco[name] for name in NAMES], expected, atol=5.1e-8, rtol=0)
    peer = peer_figures(truth, detections)
    np.testing.assert_allclose([metrics.coco[name] for name in NAMES], peer.stats, atol=1e-9, rtol=0)


def coco_example(content: dict, results: list[dict]) -> tuple[GroundTruth, list[Detections]]:
    images = {number: row for row, number in enumerate(sorted(image["id"] for image in content["images"]))}
    categories = sorted(content["categories"], key=lambda category: category["id"])
    labels = {category["id"]: label for label, category in enumerate(categories)}
    items = content["annotations"]
    truth = GroundTruth(
        class_names=tuple(category["name"] for category in categories),
        num_images=len(images),
        image_numbers=np.array([images[item["image_id"]] for item in items]),
        boxes=corners([item["bbox"] for item in items]),
        labels=np.array([labels[item["category_id"]] for item in items]),
        difficult=np.zeros(len(items), bool),
        crowd=np.array([item["iscrowd"] for item in items], bool),
        areas=np.array([item["area"] for item in items], np.float64),
    )
    of_image = [[item for item in results if images[item["image_id"]] == row] for row in range(len(images))]
    detections = [
        Detections(
            corners([item["bbox"] for item in here]),
            np.array([item["score"] for item in here], np.float64),
            np.array([labels[item["category_id"]] for item in here], np.int64),
        )
        for here in of_image
    ]
    return truth, detections


def corners(boxes: list[list[float]]) -> np.ndarray:
    array = np.array(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], 1)
