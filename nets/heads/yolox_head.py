"""The decoupled head of YOLOX: classes on one branch, boxes and objectness on another, no anchors.

YOLOX: https://arxiv.org/abs/2107.08430
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets.common.boxes import centre_to_corners
from nets.common.feature_levels import cell_grid, feature_levels, flatten_cells
from nets.common.structures import Candidates, Level
from nets.heads.decoupled_towers import PRIOR_LOGIT, DecoupledTowers, set_bias

START_SIZE = 4.0  # how many cells wide a fresh head's boxes are


class YOLOXRaw(NamedTuple):
    """What the head returns, in training as in evaluation; A cells over all levels, finest level first.

    boxes       [B, A, 4], centre x, y relative to the cell's corner and log width, height, in strides
    objectness  [B, A] logits
    classes     [B, A, C] logits
    cells       [A, 2], column and row of each cell in its level
    strides     [A], pixels of the network input a cell is wide
    levels      the levels' sizes
    """

    boxes: Tensor
    objectness: Tensor
    classes: Tensor
    cells: Tensor
    strides: Tensor
    levels: tuple[Level, ...]


class YOLOXHead(DecoupledTowers):
    """Predicts a box, an objectness and C class logits for every cell of every level."""

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], num_classes: int, separable: bool = False
    ) -> None:
        super().__init__(channels, strides, separable)
        self.class_preds = self.predictors(num_classes)
        self.box_preds = self.predictors(4)
        self.objectness_preds = self.predictors(1)
        for predictors in (self.class_preds, self.objectness_preds):
            set_bias(predictors, PRIOR_LOGIT)
        # SimOTA gives an object more cells where boxes overlap it better. Starting near the size of objects,
        # not of cells, reached AP50 .32 instead of .28 after 240 steps from scratch on the sample data.
        set_bias(self.box_preds, math.log(START_SIZE), first=2)

    def forward(self, features: Sequence[Tensor]) -> YOLOXRaw:
        boxes, objectness, classes = [], [], []
        for level, (class_feature, box_feature) in enumerate(self.towers(features)):
            boxes.append(flatten_cells(self.box_preds[level](box_feature)))
            objectness.append(flatten_cells(self.objectness_preds[level](box_feature)))
            classes.append(flatten_cells(self.class_preds[level](class_feature)))
        levels = feature_levels(features, self.strides)
        cells, strides = cell_grid(levels, features[0].device)
        return YOLOXRaw(
            torch.cat(boxes, dim=1).float(),
            torch.cat(objectness, dim=1).squeeze(-1).float(),
            torch.cat(classes, dim=1).float(),
            cells,
            strides,
            levels,
        )


def decode_yolox_boxes(raw: YOLOXRaw) -> Tensor:
    """Boxes xyxy [B, A, 4] in pixels of the network input."""
    strides = raw.strides[:, None]
    return centre_to_corners((raw.boxes[..., :2] + raw.cells) * strides, raw.boxes[..., 2:].exp() * strides)


def decode_yolox(raw: YOLOXRaw) -> Candidates:
    """Boxes and scores (objectness times class probability) before NMS."""
    scores = raw.classes.sigmoid() * raw.objectness.sigmoid().unsqueeze(-1)
    return Candidates(decode_yolox_boxes(raw), scores)
