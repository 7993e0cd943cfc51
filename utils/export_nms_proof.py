"""The proof of what a graph does beside the network: NMS, and the letterbox where it has one."""

import numpy as np
import torch

from nets.structures import Decoded
from utils.export_check import Agreement, Difference, largest_difference, nms_agreement
from utils.export_onnx import OUTPUTS
from utils.export_proof import Proof, require
from utils.exported import Exported
from utils.exported_kind import exported_kind
from utils.inference import DetectSettings, select_detections
from utils.letterbox import letterbox
from utils.nms import Kept, nms
from utils.whole_graph import Outputs, open_whole

SCALED = 10  # times the tolerance, where the graph scales pictures: by a grey level unlike OpenCV


@torch.inference_mode()
def prove_nms(proof: Proof, exported: Exported) -> str:
    """A sentence about what was seen; ValueError where NMS or letterbox of the graph are not ours."""
    kind = exported_kind(exported.path)
    assert kind is not None
    whole = open_whole(exported.path, kind)
    agreement = Agreement(0, 0)
    for picture in proof.pictures():
        facts, pixels = exported.facts, exported.pixels
        inputs, plan = letterbox(picture, facts.image_size, pixels.pad_value, pixels.pad_centred)
        channels_first = np.ascontiguousarray(inputs.transpose(2, 0, 1)[None])
        outputs = whole(picture if facts.letterbox else channels_first)
        candidates = Decoded(outputs["candidate_boxes"], outputs["candidate_scores"])
        if facts.letterbox:
            _require_same_letterbox(proof, channels_first, candidates)
            settings = DetectSettings(facts.confidence, facts.nms_iou, facts.max_detections)
            (found,) = select_detections(candidates, [plan], settings)
            boxes, scores, labels = map(torch.from_numpy, (found.boxes, found.scores, found.labels))
            kept = [Kept(boxes, scores, labels, found.best_score, found.best_label)]
        else:
            kept = nms(candidates, facts.confidence, facts.nms_iou, facts.max_detections)
        agreement = agreement.and_of(nms_agreement(kept, *_after_nms(outputs)))
    told = f"NMS in the graph and our own: {agreement.common} of {agreement.number} boxes are the same"
    if not agreement.close:
        raise ValueError(f"{told}. The file was not kept; leave NMS out with --no-nms")
    return told


def _after_nms(outputs: Outputs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    boxes, scores, labels = (outputs[name] for name in OUTPUTS)
    return boxes, scores, labels


def _require_same_letterbox(proof: Proof, images: np.ndarray, candidates: Decoded) -> None:
    """ValueError unless the graph's own letterbox leads to about the candidates that ours leads to."""
    size = images.shape[2], images.shape[3]
    allowed = Difference(SCALED * proof.tolerance.box, SCALED * proof.tolerance.score)
    expected = proof.detector.detect(torch.from_numpy(images).to(proof.detector.device))
    difference = largest_difference(expected, candidates, size, allowed)
    require(difference, allowed, "with the letterbox in the graph")
