"""Preview images of a run: augmented batches and predictions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from utils.data.detections import Detections
from utils.data.index import DatasetIndex
from utils.draw.boxes import draw_boxes, draw_detections
from utils.draw.thumbnails import contact_sheet
from utils.images.image_io import ImageError, read_image, save_image
from utils.loader.batch import Batch, batch_to_device
from utils.system.files import replacing
from utils.train.trainer import Trainer
from utils.weights.checkpoint import save_torch_file

MAX_IMAGES_DRAWN = 16


def save_batch_image(path: Path, batch: Batch, class_names: Sequence[str]) -> None:
    """Draw a training batch with its boxes, as the network sees it; up to 16 images."""
    drawn = []
    images, targets = batch_to_device(batch, torch.device("cpu"))
    for image, boxes, labels, valid in zip(images, *targets, strict=True):
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        drawn.append(draw_boxes(pixels, boxes[valid].numpy(), labels[valid].numpy(), class_names))
    save_image(path, contact_sheet(drawn[:MAX_IMAGES_DRAWN], columns=4))


def save_bad_batch(path: Path, batch: Batch, index: DatasetIndex) -> None:
    """Save a batch with non-finite gradients, as an image and as tensors with the paths of its images.

    `path` has no suffix: .jpg and .pt are added.
    """
    save_batch_image(path.with_suffix(".jpg"), batch, index.class_names)
    images, targets = batch_to_device(batch, torch.device("cpu"))
    paths = [str(index.path(image_number)) for image_number in batch.image_numbers.tolist()]
    with replacing(path.with_suffix(".pt")) as temporary:
        save_torch_file({"images": images, "paths": paths, **targets._asdict()}, temporary)
    print(f"the batch was saved as an image, {path}.jpg, and as tensors, {path}.pt")


def save_previews(trainer: Trainer, folder: Path) -> None:
    """Draw two augmented batches of each phase before training."""
    for number, phase in enumerate(trainer.phases, 1):
        for epoch in range(2):
            path = folder / f"phase_{number}_batch_{epoch + 1}.jpg"
            save_batch_image(path, trainer.whole_batch(phase, epoch, 0), trainer.train_index.class_names)
            print(f"{path}  {phase.describe()}")


def save_predictions_image(
    path: Path, index: DatasetIndex, detections: Sequence[Detections], confidence: float
) -> None:
    """Draw the detections on up to 16 images spread evenly over a data set; skips unreadable ones."""
    chosen = np.unique(np.linspace(0, len(index) - 1, MAX_IMAGES_DRAWN).round().astype(int))
    drawn = []
    for image_number in chosen:
        confident = detections[image_number].above(confidence)
        try:
            image = read_image(index.path(image_number))
        except ImageError:  # reported by the evaluation
            continue
        drawn.append(draw_detections(image, confident, index.class_names))
    if drawn:
        save_image(path, contact_sheet(drawn, columns=4))
