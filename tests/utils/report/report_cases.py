"""Reports for the tests: drawn images, boxes on them, and what was found."""

from pathlib import Path

import cv2
import numpy as np

from utils.analysis.analyse import analyse
from utils.data.detections import Detections
from utils.evaluate.evaluator import GroundTruth, compute_metrics, match_detections
from utils.report.data import Report

NAMES = ("cup", "鱼 fish", "</script><b>&\"'")
HISTORY = {
    "epoch": [1.0, 2.0, 3.0],
    "lr": [0.01, 0.005, 0.0000125],
    "loss": [5.0, 4.0, 3.0],
    "loss_box": [3.0, 2.5, 2.0],
    "val_loss_box": [float("nan"), float("nan"), 2.25],
    "map50": [0.25, float("nan"), 0.75],
    "map50_95": [0.125, float("nan"), 0.5],
}


def drawn_report(
    folder: Path | None, images: int = 6, names=NAMES, seed: int = 0, names_of_images=(), **changes
) -> Report:
    """On each image two objects of each class; most are found, some beside, some twice, some not at all."""
    rng = np.random.default_rng(seed)
    per_image = 2 * len(names)
    total = images * per_image
    corner = np.tile(np.arange(per_image)[:, None] * [20.0, 8.0], (images, 1)) + rng.uniform(
        0, 10, (total, 2)
    )
    boxes = np.concatenate([corner, corner + 18], 1)
    image = np.repeat(np.arange(images), per_image)
    labels, nothing = np.tile(np.arange(per_image) % max(len(names), 1), images), np.zeros(total, bool)
    truth = GroundTruth(tuple(names), images, image, boxes, labels, nothing, nothing, np.full(total, 324.0))
    detections = []
    for number in range(images):
        here = np.flatnonzero(image == number)
        seen = np.concatenate([here[rng.random(len(here)) < 0.8], here[:1]])
        moved = boxes[seen] + rng.normal(0, 2, (len(seen), 4))
        other = rng.random(len(seen)) < 0.15
        given = np.where(other, (labels[seen] + 1) % max(len(names), 1), labels[seen])
        detections.append(Detections(moved, rng.uniform(0.1, 1, len(seen)).round(3), given))
    matched = match_detections(detections, truth)
    metrics = compute_metrics(matched)
    paths = None if folder is None else draw_images(folder, truth)
    fields = {
        "title": "logs/<first>",
        "paths": paths,
        "names": names_of_images,
        "facts": [("weights", "best.pt & more")],
    }
    return Report(metrics=metrics, analysis=analyse(matched, 0.5, 50), matched=matched, **(fields | changes))


def draw_images(folder: Path, truth: GroundTruth) -> list[Path]:
    """An image of 200 x 150 for each image, a light square at each object."""
    paths = []
    for number in range(truth.num_images):
        image = np.full((150, 200, 3), 60, np.uint8)
        for x1, y1, x2, y2 in truth.boxes[truth.image_numbers == number].astype(int):
            image[y1:y2, x1:x2] = (220, 180, 120)
        paths.append(folder / f"图 {number}.png")
        paths[-1].write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return paths
