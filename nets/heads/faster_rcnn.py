"""Faster R-CNN: the first stage proposes boxes, the second classifies and refines them.

Faster R-CNN: https://arxiv.org/abs/1506.01497; feature pyramid: https://arxiv.org/abs/1612.03144
The layers and the selection of proposals are torchvision's. The number of proposals after NMS depends on the
data, so this network, unlike the others, syncs with the device, selects proposals image by image, and cannot
be captured as one graph by torch.compile or torch.export.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import concat_box_prediction_layers

from nets.assigners.iou_matcher import real_objects
from nets.common.box_coder import UNIT_SCALES, VARIANCE_SCALES, decode_boxes, encode_boxes
from nets.common.boxes import gather_rows
from nets.common.detector import SizedDetector
from nets.common.structures import Candidates, InputSize, Level, Targets
from nets.common.topk import as_candidates, best_pairs, clip_to_input
from nets.heads.anchors import BoxSizes, anchor_grid


class FirstStage(NamedTuple):
    """The outputs of the first stage for A anchors over all levels, finest level first.

    objectness  [B * A, 1] logits
    codes       [B * A, 4], box codes relative to the anchors (`nets/common/box_coder.py`)
    anchors     [A, 4], xyxy in input pixels
    per_level   number of anchors on each level
    """

    objectness: Tensor
    codes: Tensor
    anchors: Tensor
    per_level: list[int]


class RCNNRaw(NamedTuple):
    """The outputs of the second stage for P proposals, padded to the largest number in the batch.

    proposals  [B, P, 4], xyxy in input pixels
    valid      bool [B, P], False for padding
    classes    [B, P, 1 + C] logits, background first
    codes      [B, P, 1 + C, 4], box codes relative to the proposals, per class
    size       input size
    """

    proposals: Tensor
    valid: Tensor
    classes: Tensor
    codes: Tensor
    size: InputSize

    @property
    def levels(self) -> tuple[Level, ...]:
        """Empty: the outputs are not laid out level by level."""
        return ()


class RCNNHead(nn.Module):
    """torchvision's RegionProposalNetwork and RoIHeads.

    halves  half the widths and heights in pixels of a cell's anchors, per level
    """

    def __init__(self, rpn: Any, roi_heads: Any, halves: Sequence[BoxSizes]) -> None:
        super().__init__()
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.halves = halves

    def forward(self, features: Sequence[Tensor], size: InputSize) -> RCNNRaw:
        batch = len(features[0])
        proposals = self.propose(self.first_stage(features, size), batch, size)
        classes, codes = self.second_stage(features, proposals, size)
        counts = [len(boxes) for boxes in proposals]
        padded = pad_sequence(proposals, batch_first=True)
        positions = torch.arange(padded.shape[1], device=padded.device)
        return RCNNRaw(
            padded,
            positions < torch.tensor(counts, device=padded.device).unsqueeze(1),
            pad_sequence(classes.split(counts), batch_first=True),
            pad_sequence(codes.unflatten(1, (-1, 4)).split(counts), batch_first=True),
            size,
        )

    def first_stage(self, features: Sequence[Tensor], size: InputSize) -> FirstStage:
        """Return the outputs of the region proposal network."""
        objectness, codes = self.rpn.head(features)
        per_level = [math.prod(level.shape[1:]) for level in objectness]
        objectness, codes = concat_box_prediction_layers(objectness, codes)
        anchors = anchor_grid(features, size, self.halves)
        return FirstStage(objectness.float(), codes.float(), anchors, per_level)

    def propose(self, first: FirstStage, batch: int, size: InputSize) -> list[Tensor]:
        """Return the proposals xyxy [P, 4] of each image, after NMS."""
        boxes = decode_boxes(first.codes.detach().view(batch, -1, 4), first.anchors, UNIT_SCALES)
        return self.rpn.filter_proposals(boxes, first.objectness, [size] * batch, first.per_level)[0]

    def second_stage(
        self, features: Sequence[Tensor], proposals: list[Tensor], size: InputSize
    ) -> tuple[Tensor, Tensor]:
        """Return logits [N, 1 + C] and codes [N, (1 + C) * 4] for the N proposals of all images."""
        named = {str(level): feature for level, feature in enumerate(features)}
        pooled = self.roi_heads.box_roi_pool(named, proposals, [size] * len(proposals))
        classes, codes = self.roi_heads.box_predictor(self.roi_heads.box_head(pooled))
        return classes.float(), codes.float()

    def losses(self, features: Sequence[Tensor], size: InputSize, targets: Targets) -> dict[str, Tensor]:
        """Return the components of the loss of both stages, over random samples of anchors and proposals."""
        first, objects = self.first_stage(features, size), as_lists(targets)
        batch, device = len(objects), first.anchors.device.type
        with torch.autocast(device, enabled=False):
            labels, matched = self.rpn.assign_targets_to_anchors([first.anchors] * batch, objects)
            codes = [encode_boxes(boxes, first.anchors, UNIT_SCALES) for boxes in matched]
            objectness, proposal = self.rpn.compute_loss(first.objectness, first.codes, labels, codes)
            proposals = self.propose(first, batch, size)
            proposals, _, labels, codes = self.roi_heads.select_training_samples(proposals, objects)
        found = self.second_stage(features, proposals, size)
        with torch.autocast(device, enabled=False):
            class_loss, box_loss = fastrcnn_loss(*found, labels, codes)
        return {"objectness": objectness, "proposal": proposal, "class": class_loss, "box": box_loss}


class FasterRCNN(SizedDetector):
    """Faster R-CNN; its loss needs the ground truth between the stages, to sample the proposals."""

    head: RCNNHead

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        return self.head.losses(self.features(images), (images.shape[-2], images.shape[-1]), targets)


def losses_need_objects(raw: RCNNRaw, targets: Targets) -> dict[str, Tensor]:
    """Stand in for a loss of the raw outputs, which this network does not have: see `FasterRCNN.losses`."""
    raise AssertionError("call `losses`: the proposals that are sampled depend on the objects")


def decode_rcnn(raw: RCNNRaw) -> Candidates:
    """Return the highest-scoring boxes of all proposals and classes; scores are a softmax over classes."""
    scores = raw.classes.softmax(dim=-1)[..., 1:] * raw.valid.unsqueeze(-1)
    best = best_pairs(scores)
    codes = gather_rows(raw.codes[:, :, 1:].flatten(1, 2), best.rows * scores.shape[-1] + best.labels)
    boxes = decode_boxes(codes, gather_rows(raw.proposals, best.rows), VARIANCE_SCALES)
    return as_candidates(clip_to_input(boxes, raw.size), best, scores.shape[-1])


def as_lists(targets: Targets) -> list[dict[str, Tensor]]:
    """Return the objects of each image in torchvision's format: 1-based labels, only boxes with an area."""
    return [
        {"boxes": boxes[real], "labels": labels[real] + 1}
        for boxes, labels, real in zip(targets.boxes, targets.labels, real_objects(targets), strict=True)
    ]
