"""The proof of an export: the written file is run by its own runtime, beside the detector it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from nets.common.detector import Detector
from nets.common.structures import Candidates
from utils.data.detections import Detections
from utils.data.index import DatasetIndex
from utils.evaluate.evaluator import evaluate
from utils.export.difference import NONE, Difference, largest_difference
from utils.images.image_io import ImageError, read_image
from utils.images.letterbox import letterbox
from utils.inference.detect import DetectSettings, select_detections
from utils.inference.exported_model import ExportedModel
from utils.loader.eval_dataset import EvaluationDataset
from utils.loader.loader import evaluation_loader
from utils.sample.dataset import sample_image

DRAWN = 8  # images, where no data are given
FEW = 8  # images of the data for what is looked at beside: other sizes, NMS and letterbox of the graph


@dataclass(frozen=True)
class Proof:
    """What is compared, on what, and how far apart it may be; no index stands for drawn images."""

    detector: Detector
    tolerance: Difference
    index: DatasetIndex | None
    batch_size: int = 8

    def images(self) -> list[np.ndarray]:
        """A few images, from all over the data."""
        if self.index is None:
            return [sample_image(0, number).image for number in range(DRAWN)]
        images = []
        for number in np.linspace(0, len(self.index) - 1, min(FEW, len(self.index))).astype(int).tolist():
            try:
                images.append(read_image(self.index.path(number)))
            except ImageError:  # whatever it shows, it is no matter of the export
                continue
        return images


class Compared(NamedTuple):
    """How far apart the file and the detector are, and on what that was seen, in words."""

    difference: Difference
    told: str


@torch.inference_mode()
def prove(proof: Proof, exported: ExportedModel) -> list[str]:
    """Sentences about what was seen; ValueError with the numbers where the file is not the same detector."""
    compared = verify_on(proof, exported)
    require(compared.difference, proof.tolerance, "on these images")
    told = [compared.told]
    if exported.facts.dynamic:
        (height, width), stride = exported.facts.image_size, exported.stride
        size = height + 2 * stride, width + stride
        difference = compare_batch(proof, exported, proof.images()[:3], size)
        where = f"three at a time, of {size[0]} x {size[1]}"
        require(difference, proof.tolerance, where)
        told.append(f"{where}: boxes differ by at most {difference}")
    return told


@torch.inference_mode()
def verify_on(proof: Proof, exported: ExportedModel) -> Compared:
    """Compare on all images of the data, or on drawn ones."""
    if proof.index is not None:
        return _compare_on_data(proof, proof.index, exported)
    images = proof.images()
    difference = compare_batch(proof, exported, images, exported.image_size)
    return Compared(difference, f"{len(images)} drawn images: boxes differ by at most {difference}")


def compare_batch(
    proof: Proof, exported: ExportedModel, images: Sequence[np.ndarray], size: tuple[int, int]
) -> Difference:
    """The largest difference on one batch of images."""
    pixels = exported.pixels
    inputs = [letterbox(image, size, pixels.pad_value, pixels.pad_centred)[0] for image in images]
    expected, found = detect_both(proof, exported, torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2))
    return largest_difference(expected, found, size, proof.tolerance)


def detect_both(proof: Proof, exported: ExportedModel, images: torch.Tensor) -> tuple[Candidates, Candidates]:
    """What the detector finds and what the file finds on a batch, both on the detector's device."""
    device = proof.detector.device
    found = exported.detect(images.to(exported.device))
    return proof.detector.detect(images.to(device)), Candidates(*(value.to(device) for value in found))


def _compare_on_data(proof: Proof, index: DatasetIndex, exported: ExportedModel) -> Compared:
    pixels, size = exported.pixels, exported.image_size
    dataset = EvaluationDataset(index, size, pixels.pad_value, pixels.pad_centred)
    settings, difference = DetectSettings(), NONE
    before: list[Detections] = []
    after: list[Detections] = []
    loader = evaluation_loader(dataset, proof.batch_size)
    for batch in tqdm(loader, desc="comparing", leave=False, dynamic_ncols=True, disable=None):
        expected, found = detect_both(proof, exported, batch.images)
        difference = difference.or_more(largest_difference(expected, found, size, proof.tolerance))
        before += select_detections(expected, batch.letterboxes, settings)
        after += select_detections(found, batch.letterboxes, settings)
    told = f"{len(index)} images: boxes differ by at most {difference}"
    if (~(index.difficult | index.crowd)).any():  # there is something to find
        figures = [evaluate(detections, index) for detections in (before, after)]
        texts = [f"mAP50 {figure.map50:.4f}, mAP50-95 {figure.map50_95:.4f}" for figure in figures]
        told += f"; before {texts[0]}, after {texts[1]}"
    return Compared(difference, told)


def require(difference: Difference, tolerance: Difference, where: str) -> None:
    """ValueError with the numbers if a difference is larger than the tolerance."""
    if not difference.within(tolerance):
        raise ValueError(
            f"the exported file is not the same detector, {where}: boxes differ by up to {difference}; "
            f"allowed are {tolerance}. It was not kept; if that is near enough, set --tolerance"
        )
