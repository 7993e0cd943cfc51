"""Verifies an export: runs the written file, and compares its results with the detector's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from nets.common.detector import Detector
from nets.common.structures import Candidates
from utils.data.detections import Detections
from utils.data.index import DatasetIndex
from utils.data.types import Image, Size
from utils.evaluate.evaluator import evaluate
from utils.export.difference import NO_DIFFERENCE, Difference, largest_difference
from utils.images.image_io import ImageError, read_image
from utils.images.letterbox import letterbox
from utils.inference.detect import DetectSettings, select_detections
from utils.inference.exported_model import ExportedModel
from utils.loader.eval_dataset import EvalDataset
from utils.loader.loader import evaluation_loader
from utils.sample.dataset import sample_image

IMAGES_COMPARED = 8  # for checks of NMS, letterbox and other sizes; from the data, or synthetic


@dataclass(frozen=True)
class Reference:
    """The detector that a file was exported from, the tolerance, and the data to compare both on.

    index  data set; None for synthetic images
    """

    detector: Detector
    tolerance: Difference
    index: DatasetIndex | None
    batch_size: int = 8

    def images(self) -> list[Image]:
        """Return a few images, evenly spread over the data."""
        if self.index is None:
            return [sample_image(0, number).image for number in range(IMAGES_COMPARED)]
        images = []
        numbers = np.linspace(0, len(self.index) - 1, min(IMAGES_COMPARED, len(self.index))).astype(int)
        for number in numbers.tolist():
            try:
                images.append(read_image(self.index.path(number)))
            except ImageError:  # an unreadable image says nothing about the export
                continue
        return images


class ExportComparison(NamedTuple):
    """The largest difference between an exported file and its detector, and a sentence about it."""

    difference: Difference
    summary: str


@torch.inference_mode()
def verify_network(reference: Reference, exported: ExportedModel) -> list[str]:
    """Compare file and detector, and return sentences about it; ValueError if they differ too much."""
    comparison = compare_on_data(reference, exported)
    require_within(comparison.difference, reference.tolerance, "on these images")
    summaries = [comparison.summary]
    if exported.metadata.dynamic:
        (height, width), stride = exported.metadata.image_size, exported.stride
        size = height + 2 * stride, width + stride
        difference = compare_batch(reference, exported, reference.images()[:3], size)
        case = f"in a batch of three, {size[0]} x {size[1]}"
        require_within(difference, reference.tolerance, case)
        summaries.append(f"{case}: boxes differ by at most {difference}")
    return summaries


@torch.inference_mode()
def compare_on_data(reference: Reference, exported: ExportedModel) -> ExportComparison:
    """Compare on all images of the data set, or on synthetic images."""
    if reference.index is not None:
        return _compare_on_dataset(reference, reference.index, exported)
    images = reference.images()
    difference = compare_batch(reference, exported, images, exported.image_size)
    return ExportComparison(difference, f"{len(images)} drawn images: boxes differ by at most {difference}")


def compare_batch(
    reference: Reference, exported: ExportedModel, images: Sequence[Image], size: Size
) -> Difference:
    """Return the largest difference on one batch of images, letterboxed to `size`."""
    pixels = exported.pixels
    inputs = [letterbox(image, size, pixels.pad_value, pixels.pad_centred)[0] for image in images]
    batch = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2)
    expected, found = run_both(reference, exported, batch)
    return largest_difference(expected, found, size, reference.tolerance)


def run_both(reference: Reference, exported: ExportedModel, images: Tensor) -> tuple[Candidates, Candidates]:
    """Return the candidates of the detector and of the file for a batch, both on the detector's device."""
    device = reference.detector.device
    boxes, scores = exported.detect(images.to(exported.device))
    return reference.detector.detect(images.to(device)), Candidates(boxes.to(device), scores.to(device))


def _compare_on_dataset(
    reference: Reference, index: DatasetIndex, exported: ExportedModel
) -> ExportComparison:
    pixels, size = exported.pixels, exported.image_size
    dataset = EvalDataset(index, size, pixels.pad_value, pixels.pad_centred)
    settings, difference = DetectSettings(), NO_DIFFERENCE
    before: list[Detections] = []
    after: list[Detections] = []
    loader = evaluation_loader(dataset, reference.batch_size)
    for batch in tqdm(loader, desc="comparing", leave=False, dynamic_ncols=True, disable=None):
        expected, found = run_both(reference, exported, batch.images)
        difference = difference.larger(largest_difference(expected, found, size, reference.tolerance))
        before += select_detections(expected, batch.letterboxes, settings)
        after += select_detections(found, batch.letterboxes, settings)
    summary = f"{len(index)} images: boxes differ by at most {difference}"
    if (~(index.difficult | index.crowd)).any():  # there are objects to detect
        summary += f"; before {_map_text(before, index)}, after {_map_text(after, index)}"
    return ExportComparison(difference, summary)


def _map_text(detections: Sequence[Detections], index: DatasetIndex) -> str:
    metrics = evaluate(detections, index)
    return f"mAP50 {metrics.map50:.4f}, mAP50-95 {metrics.map50_95:.4f}"


def require_within(difference: Difference, tolerance: Difference, case: str) -> None:
    """Raise ValueError with the numbers if a difference exceeds the tolerance."""
    if not difference.within(tolerance):
        raise ValueError(
            f"the exported file is not the same detector, {case}: boxes differ by up to {difference}; "
            f"allowed are {tolerance}. The file was not kept; if this difference is acceptable, set "
            "--tolerance"
        )
