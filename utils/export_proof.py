"""The proof of an export: the written file is run by its own runtime, beside the detector it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from nets.detector import Detector
from nets.structures import Decoded
from utils.detections import Detections
from utils.evaluation_dataset import EvaluationDataset
from utils.evaluator import evaluate
from utils.export_check import NONE, Agreement, Difference, largest_difference, nms_agreement
from utils.export_onnx import OUTPUTS
from utils.exported import Exported
from utils.exported_kind import exported_kind
from utils.image import ImageError, read_image
from utils.index import DatasetIndex
from utils.inference import DetectSettings, select_detections
from utils.letterbox import letterbox
from utils.loader import evaluation_loader
from utils.nms import Kept, nms
from utils.sample_data import sample_picture
from utils.whole_graph import Whole, open_whole

DRAWN = 8  # pictures, where no data are given
FEW = 8  # pictures for what is looked at beside: other sizes, NMS and letterbox of the graph
LETTERBOXED = 20  # times the tolerance, where the graph scales pictures: by a grey level unlike OpenCV


@dataclass(frozen=True)
class Proof:
    """What is compared, and how far apart it may be."""

    detector: Detector
    tolerance: Difference
    index: DatasetIndex | None
    batch_size: int = 8

    def pictures(self) -> list[np.ndarray]:
        """A few pictures of the data, from all over it; or drawn ones."""
        if self.index is None:
            return [sample_picture(0, number).image for number in range(DRAWN)]
        pictures = []
        for number in np.linspace(0, len(self.index) - 1, min(FEW, len(self.index))).astype(int).tolist():
            try:
                pictures.append(read_image(self.index.path(number)))
            except ImageError:  # the evaluation names it
                continue
        return pictures


@torch.inference_mode()
def prove(proof: Proof, exported: Exported) -> list[str]:
    """Sentences about what was seen; ValueError with the numbers where the file is not the same detector."""
    facts, pictures = exported.facts, proof.pictures()
    size = facts.image_size
    told = []
    if proof.index is None:
        difference = compare(proof, exported, pictures, size)
        told.append(f"{len(pictures)} drawn pictures: boxes differ by at most {difference}")
    else:
        told += compare_on_data(proof, proof.index, exported)
    if facts.dynamic:
        other = size[0] + 2 * facts.stride, size[1] + facts.stride
        difference = compare(proof, exported, pictures[:3], other)
        told.append(f"three at a time of {other[0]} x {other[1]}: {difference}")
    if facts.nms:
        told.append(compare_nms(proof, exported, pictures))
    return told


def compare(
    proof: Proof, exported: Exported, pictures: Sequence[np.ndarray], size: tuple[int, int]
) -> Difference:
    """The largest difference on one batch of pictures; ValueError if it is larger than the tolerance."""
    pixels = exported.pixels
    inputs = [letterbox(picture, size, pixels.pad_value, pixels.pad_centred)[0] for picture in pictures]
    images = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2)
    expected = proof.detector.detect(images.to(proof.detector.device))
    difference = largest_difference(expected, _like(expected, exported.detect(images)), proof.tolerance)
    require(difference, proof.tolerance, f"at {size[0]} x {size[1]}")
    return difference


def compare_on_data(proof: Proof, index: DatasetIndex, exported: Exported) -> list[str]:
    """The largest difference over a data set, and average precision before and after, if it has objects."""
    pixels = exported.pixels
    dataset = EvaluationDataset(index, exported.image_size, pixels.pad_value, pixels.pad_centred)
    settings, difference = DetectSettings(), NONE
    before: list[Detections] = []
    after: list[Detections] = []
    loader = evaluation_loader(dataset, proof.batch_size)
    for batch in tqdm(loader, desc="comparing", leave=False, dynamic_ncols=True):
        expected = proof.detector.detect(batch.images.to(proof.detector.device))
        found = _like(expected, exported.detect(batch.images.to(exported.device)))
        difference = difference.or_more(largest_difference(expected, found, proof.tolerance))
        before += select_detections(expected, batch.letterboxes, settings)
        after += select_detections(found, batch.letterboxes, settings)
    require(difference, proof.tolerance, f"on {len(index)} pictures")
    told = [f"{len(index)} pictures: boxes differ by at most {difference}"]
    if (~(index.difficult | index.crowd)).any():
        measured = [evaluate(detections, index) for detections in (before, after)]
        figures = [f"mAP50 {m.map50:.4f}, mAP50-95 {m.map50_95:.4f}" for m in measured]
        told.append(f"before: {figures[0]}; after: {figures[1]}")
    return told


def compare_nms(proof: Proof, exported: Exported, pictures: Sequence[np.ndarray]) -> str:
    """Whether NMS in the graph is ours, and with a letterbox in it, whether that is; ValueError if not."""
    facts, pixels = exported.facts, exported.pixels
    kind = exported_kind(exported.path)
    assert kind is not None
    whole = open_whole(exported.path, kind)
    agreement = Agreement(0, 0)
    for picture in pictures:
        if facts.letterbox:
            agreement = agreement.and_of(_letterboxed(proof, exported, whole, picture))
            continue
        inputs = letterbox(picture, facts.image_size, pixels.pad_value, pixels.pad_centred)[0]
        outputs = whole(np.ascontiguousarray(inputs.transpose(2, 0, 1)[None]))
        kept = nms(_candidates(outputs), facts.confidence, facts.nms_iou, facts.max_detections)
        agreement = agreement.and_of(nms_agreement(kept, *(outputs[name] for name in OUTPUTS)))
    if not agreement.close:
        raise ValueError(
            f"NMS in the graph differs from ours: of {agreement.number} boxes {agreement.common} are the same; "
            "the file was not kept. Leave NMS out with --no-nms"
        )
    return f"NMS in the graph: {agreement.common} of {agreement.number} boxes are the same as with our own"


def _letterboxed(proof: Proof, exported: Exported, whole: Whole, picture: np.ndarray) -> Agreement:
    """The same for a graph that takes the picture as it is."""
    facts, pixels = exported.facts, exported.pixels
    inputs, plan = letterbox(picture, facts.image_size, pixels.pad_value, pixels.pad_centred)
    outputs = whole(picture)
    images = torch.from_numpy(inputs).permute(2, 0, 1)[None]
    expected = proof.detector.detect(images.to(proof.detector.device))
    allowed = Difference(*(LETTERBOXED * value for value in proof.tolerance))
    difference = largest_difference(expected, _like(expected, _candidates(outputs)), allowed)
    require(difference, allowed, "with the letterbox in the graph")
    settings = DetectSettings(facts.confidence, facts.nms_iou, facts.max_detections)
    (found,) = select_detections(_candidates(outputs), [plan], settings)
    arrays = (torch.from_numpy(values) for values in (found.boxes, found.scores, found.labels))
    kept = Kept(*arrays, found.best_score, found.best_label)
    return nms_agreement([kept], *(outputs[name] for name in OUTPUTS))


def _candidates(outputs: dict[str, torch.Tensor]) -> Decoded:
    return Decoded(outputs["candidate_boxes"], outputs["candidate_scores"])


def _like(expected: Decoded, found: Decoded) -> Decoded:
    return Decoded(*(value.to(expected.boxes.device) for value in found))


def require(difference: Difference, tolerance: Difference, where: str) -> None:
    """ValueError with the numbers if a difference is larger than the tolerance."""
    if not difference.within(tolerance):
        raise ValueError(
            f"the exported file is not the same detector {where}: boxes differ by {difference}, and allowed are "
            f"{tolerance}; the file was not kept. If that is near enough, set --tolerance"
        )
