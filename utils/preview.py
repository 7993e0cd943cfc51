"""Pictures of a run for people to look at: an augmented batch, and predictions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from utils.batch import Batch
from utils.detections import Detections
from utils.drawing import contact_sheet, draw_boxes, draw_detections, save_image
from utils.image import ImageError, read_image
from utils.index import DatasetIndex
from utils.inference import to_device

MOST_PICTURES = 16


def save_batch_picture(path: Path, batch: Batch, class_names: Sequence[str]) -> None:
    """Draw a training batch as the network sees it, with its boxes."""
    pictures = []
    images, targets = to_device(batch, torch.device("cpu"))
    for image, boxes, labels, valid in zip(images, *targets, strict=True):
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        pictures.append(draw_boxes(pixels, boxes[valid].numpy(), labels[valid].numpy(), class_names))
    save_image(path, contact_sheet(pictures[:MOST_PICTURES], columns=4))


def save_predictions_picture(
    path: Path, index: DatasetIndex, detections: Sequence[Detections], confidence: float
) -> None:
    """Draw what was found on up to 16 pictures spread evenly over a data set, without unreadable ones."""
    chosen = np.unique(np.linspace(0, len(index) - 1, MOST_PICTURES).round().astype(int))
    pictures = []
    for image in chosen:
        found = detections[image].above(confidence)
        try:
            picture = read_image(index.path(image))
        except ImageError:  # named where it was evaluated
            continue
        pictures.append(draw_detections(picture, found, index.class_names))
    if pictures:
        save_image(path, contact_sheet(pictures, columns=4))
