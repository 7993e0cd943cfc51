"""Time evaluation against pycocotools on random detections: python benchmarks/evaluation.py --images 500

Both start from arrays in memory and compute the COCO figures, which have to agree; ours computes the VOC
figures and the curves in the same time. Prints one JSON line.
"""

import contextlib
import io
import json
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from utils.cli import run
from utils.detections import Detections
from utils.evaluator import GroundTruth, evaluate

CLASSES = 80
FIGURES = ("map", "map50", "map75", "small", "medium", "large", "ar1", "ar10", "ar100")


@dataclass(frozen=True)
class Config:
    images: int = 500  # how many images, each with about seven objects of a few classes
    detections: int = 100  # detections on each image
    repeats: int = 5  # the medians of so many repeats are compared
    seed: int = 0  # of the random data


def main(config: Config) -> None:
    """Run both in turn and print the medians."""
    truth, detections = random_data(config)
    ground_truth, results = peer_data(truth, detections)
    ours, peer = [], []
    for _ in range(config.repeats):
        start = time.perf_counter()
        metrics = evaluate(detections, truth)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        stats = peer_stats(ground_truth, results)
        peer.append(time.perf_counter() - start)
    np.testing.assert_allclose([metrics.coco[name] for name in FIGURES], stats[:9], atol=1e-9)
    line = {
        "bench": "evaluation",
        "case": f"{config.images} images, {config.images * config.detections} detections, from memory",
        "ours": round(statistics.median(ours), 4),
        "peer": round(statistics.median(peer), 4),
        "peer_name": "pycocotools",
        "unit": "s",
        "ratio": round(statistics.median(peer) / statistics.median(ours), 2),
        "versions": {name: version(name) for name in ("numpy", "pycocotools")}
        | {"python": platform.python_version()},
    }
    print(json.dumps(line))


def random_data(config: Config) -> tuple[GroundTruth, list[Detections]]:
    """Objects of one to four classes an image; detections half near objects, half anywhere."""
    rng = np.random.default_rng(config.seed)
    numbers = rng.poisson(7, config.images)
    image, total = np.repeat(np.arange(config.images), numbers), int(numbers.sum())
    palette = rng.integers(0, CLASSES, (config.images, 4))
    labels = palette[image, rng.integers(0, 4, total)]
    boxes = random_boxes(rng, total)
    crowd = rng.random(total) < 0.01
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * rng.uniform(0.5, 0.9, total)
    names = tuple(f"class{label}" for label in range(CLASSES))
    difficult = np.zeros(total, bool)
    truth = GroundTruth(names, config.images, image, boxes, labels, difficult, crowd, areas)
    detections = []
    for row in range(config.images):
        here = np.flatnonzero(image == row)
        near = rng.choice(here, config.detections // 2) if len(here) else here
        found = boxes[near] + rng.normal(0, 6, (len(near), 4))
        others = config.detections - len(near)
        found = np.concatenate([found, random_boxes(rng, others)])
        classes = np.concatenate([labels[near], rng.choice(palette[row], others)])
        detections.append(Detections(found, rng.random(len(found)), classes))
    return truth, detections


def random_boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    """Boxes of about 70 pixels a side in images of 640; float64 [N, 4]."""
    corner = rng.uniform(0, 540, (number, 2))
    return np.concatenate([corner, corner + np.exp(rng.normal(np.log(70), 0.8, (number, 2)))], 1)


def peer_data(truth: GroundTruth, detections: list[Detections]) -> tuple[COCO, np.ndarray]:
    """The same for pycocotools: its ground truth, and results as rows of image, box, score and class."""
    boxes = np.concatenate([truth.boxes[:, :2], truth.boxes[:, 2:] - truth.boxes[:, :2]], 1)
    peer = COCO()
    peer.dataset = {
        "images": [{"id": row} for row in range(truth.num_images)],
        "categories": [{"id": label, "name": name} for label, name in enumerate(truth.class_names)],
        "annotations": [
            {
                "id": row + 1,
                "image_id": int(truth.image[row]),
                "category_id": int(truth.labels[row]),
                "bbox": boxes[row].tolist(),
                "area": float(truth.areas[row]),
                "iscrowd": int(truth.crowd[row]),
            }
            for row in range(len(boxes))
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        peer.createIndex()
    rows = [
        np.column_stack(
            [
                np.full(len(found), row),
                found.boxes[:, :2],
                found.boxes[:, 2:] - found.boxes[:, :2],
                found.scores,
                found.labels,
            ]
        )
        for row, found in enumerate(detections)
    ]
    return peer, np.concatenate(rows)


def peer_stats(ground_truth: COCO, results: np.ndarray) -> np.ndarray:
    """The twelve figures of pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        peer = COCOeval(ground_truth, ground_truth.loadRes(results), "bbox")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
    return peer.stats


if __name__ == "__main__":
    run(main, Config)
