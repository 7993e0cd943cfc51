"""The decoupled, anchor-free head of YOLOX: one tower for classes, another for boxes and objectness.

YOLOX: https://arxiv.org/abs/2107.08430
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from nets.common.boxes import centre_to_corners
from nets.common.feature_levels import cell_grid, feature_levels, flatten_cells
from nets.common.structures import Candidates, Level
from nets.heads.decoupled_towers import PRIOR_LOGIT, DecoupledTowers, set_bias

START_SIZE = 4.0  # initial width and height of boxes, in cells


class YOLOXRaw(NamedTuple):
    """The head's raw outputs for A cells over all levels, finest level first.

    boxes       [B, A, 4], centre x, y relative to the cell's corner and log width, height, in strides
    objectness  [B, A] logits
    classes     [B, A, C] logits
    cells       [A, 2], column and row of each cell in its level
    strides     [A], width of each cell in input pixels
    levels      feature levels
    """

    boxes: Tensor
    objectness: Tensor
    classes: Tensor
    cells: Tensor
    strides: Tensor
    levels: tuple[Level, ...]


class YOLOXHead(DecoupledTowers):
    """A head that predicts a box, its objectness and C class logits for every cell."""

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], num_classes: int, separable: bool = False
    ) -> None:
        super().__init__(channels, strides, separable)
        self.class_preds = self.predictors(num_classes)
        self.box_preds = self.predictors(4)
        self.objectness_preds = self.predictors(1)
        for predictors in (self.class_preds, self.objectness_preds):
            set_bias(predictors, PRIOR_LOGIT)
        # SimOTA assigns more cells to an object whose predicted boxes have higher IoUs. Initial boxes as
        # large as objects, not cells, gave AP50 .32 instead of .28 after 240 steps on the sample data.
        set_bias(self.box_preds, math.log(START_SIZE), first=2)

    def forward(self, features: Sequence[Tensor]) -> YOLOXRaw:
        """Return the raw outputs for feature maps [B, C, rows, columns], finest level first."""
        boxes, objectness, classes = [], [], []
        for level, (class_feature, box_feature) in enumerate(self.towers(features)):
            boxes.append(self.box_preds[level](box_feature))
            objectness.append(self.objectness_preds[level](box_feature))
            classes.append(self.class_preds[level](class_feature))
        levels = feature_levels(features, self.strides)
        cells, strides = cell_grid(levels, features[0].device)
        return YOLOXRaw(
            flatten_cells(boxes).float(),
            flatten_cells(objectness).squeeze(-1).float(),
            flatten_cells(classes).float(),
            cells,
            strides,
            levels,
        )


def decode_yolox_boxes(raw: YOLOXRaw) -> Tensor:
    """Return the predicted boxes xyxy [B, A, 4] in input pixels."""
    strides = raw.strides[:, None]
    return centre_to_corners((raw.boxes[..., :2] + raw.cells) * strides, raw.boxes[..., 2:].exp() * strides)


def decode_yolox(raw: YOLOXRaw) -> Candidates:
    """Return boxes and scores (objectness times class probability) before NMS."""
    scores = raw.classes.sigmoid() * raw.objectness.sigmoid().unsqueeze(-1)
    return Candidates(decode_yolox_boxes(raw), scores)
