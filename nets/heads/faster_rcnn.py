"""Faster R-CNN: a first stage proposes boxes, a second looks at each of them again.

Faster R-CNN: https://arxiv.org/abs/1506.01497; feature pyramid: https://arxiv.org/abs/1612.03144
The layers and the choice of proposals are torchvision's own. How many proposals suppression leaves depends on
the values, so this network alone waits for the device, goes image by image where it chooses among them,
and cannot become one graph by torch.compile or torch.export.
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
from nets.common import box_coder as box_codes
from nets.common.box_coder import PLAIN, SCALED
from nets.common.boxes import gather_rows
from nets.common.detector import SizedDetector
from nets.common.structures import Candidates, Targets
from nets.common.topk import as_decoded, best_pairs, clip
from nets.heads.anchors import BoxSizes, InputSize, anchor_grid


class FirstStage(NamedTuple):
    """What the first stage says of A anchors over all levels, finest level first.

    objectness  [B * A, 1] logits
    codes       [B * A, 4], codes of the boxes at the anchors (`nets/common/box_coder.py`)
    anchors     [A, 4], xyxy in pixels of the network input
    per_level   number of anchors on each level
    """

    objectness: Tensor
    codes: Tensor
    anchors: Tensor
    per_level: list[int]


class RCNNRaw(NamedTuple):
    """What the second stage says of P proposals, padded to the image that has most.

    proposals  [B, P, 4], xyxy in pixels of the network input
    valid      bool [B, P], which are proposals rather than padding
    classes    [B, P, 1 + C] logits, background first
    codes      [B, P, 1 + C, 4], codes of the boxes at the proposals, for each class its own
    size       height and width of the network input
    """

    proposals: Tensor
    valid: Tensor
    classes: Tensor
    codes: Tensor
    size: InputSize


class RCNNHead(nn.Module):
    """torchvision's RegionProposalNetwork and RoIHeads.

    halves  for each level, half the widths and heights of a cell's anchors in pixels
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
        places = torch.arange(padded.shape[1], device=padded.device)
        return RCNNRaw(
            padded,
            places < torch.tensor(counts, device=padded.device).unsqueeze(1),
            pad_sequence(classes.split(counts), batch_first=True),
            pad_sequence(codes.unflatten(1, (-1, 4)).split(counts), batch_first=True),
            size,
        )

    def first_stage(self, features: Sequence[Tensor], size: InputSize) -> FirstStage:
        """What the first stage says of every anchor."""
        objectness, codes = self.rpn.head(features)
        per_level = [math.prod(level.shape[1:]) for level in objectness]
        objectness, codes = concat_box_prediction_layers(objectness, codes)
        anchors = anchor_grid(features, size, self.halves)
        return FirstStage(objectness.float(), codes.float(), anchors, per_level)

    def propose(self, first: FirstStage, batch: int, size: InputSize) -> list[Tensor]:
        """The boxes xyxy [P, 4] of each image that the second stage looks at."""
        boxes = box_codes.decode_boxes(first.codes.detach().view(batch, -1, 4), first.anchors, PLAIN)
        return self.rpn.filter_proposals(boxes, first.objectness, [size] * batch, first.per_level)[0]

    def second_stage(
        self, features: Sequence[Tensor], proposals: list[Tensor], size: InputSize
    ) -> tuple[Tensor, Tensor]:
        """Logits [P of all images, 1 + C] and codes [P of all images, (1 + C) * 4]."""
        named = {str(level): feature for level, feature in enumerate(features)}
        pooled = self.roi_heads.box_roi_pool(named, proposals, [size] * len(proposals))
        classes, codes = self.roi_heads.box_predictor(self.roi_heads.box_head(pooled))
        return classes.float(), codes.float()

    def losses(self, features: Sequence[Tensor], size: InputSize, targets: Targets) -> dict[str, Tensor]:
        """Losses by component of both stages, over a random draw of anchors and of proposals."""
        first, objects = self.first_stage(features, size), as_lists(targets)
        batch, device = len(objects), first.anchors.device.type
        with torch.autocast(device, enabled=False):
            labels, matched = self.rpn.assign_targets_to_anchors([first.anchors] * batch, objects)
            codes = [box_codes.encode_boxes(boxes, first.anchors, PLAIN) for boxes in matched]
            objectness, proposal = self.rpn.compute_loss(first.objectness, first.codes, labels, codes)
            proposals = self.propose(first, batch, size)
            proposals, _, labels, codes = self.roi_heads.select_training_samples(proposals, objects)
        found = self.second_stage(features, proposals, size)
        with torch.autocast(device, enabled=False):
            class_loss, box_loss = fastrcnn_loss(*found, labels, codes)
        return {"objectness": objectness, "proposal": proposal, "class": class_loss, "box": box_loss}


class FasterRCNN(SizedDetector):
    """Its losses need the objects between the stages: they choose which proposals the second learns from."""

    head: RCNNHead

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        return self.head.losses(self.features(images), (images.shape[-2], images.shape[-1]), targets)


def losses_need_objects(raw: RCNNRaw, targets: Targets) -> dict[str, Tensor]:
    """In place of a loss of raw outputs, which this network has not: see `FasterRCNN.losses`."""
    raise AssertionError("call `losses`: what the second stage learns from depends on the objects")


def decode_rcnn(raw: RCNNRaw) -> Candidates:
    """The best boxes of proposals and classes, and the classes' probabilities."""
    scores = raw.classes.softmax(dim=-1)[..., 1:] * raw.valid.unsqueeze(-1)
    best = best_pairs(scores)
    codes = gather_rows(raw.codes[:, :, 1:].flatten(1, 2), best.rows * scores.shape[-1] + best.labels)
    boxes = box_codes.decode_boxes(codes, gather_rows(raw.proposals, best.rows), SCALED)
    return as_decoded(clip(boxes, raw.size), best, scores.shape[-1])


def as_lists(targets: Targets) -> list[dict[str, Tensor]]:
    """The objects of each image as torchvision takes them: background is 0, and no box without area."""
    return [
        {"boxes": boxes[real], "labels": labels[real] + 1}
        for boxes, labels, real in zip(targets.boxes, targets.labels, real_objects(targets), strict=True)
    ]
