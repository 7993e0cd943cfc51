"""The head of YOLOv3 and YOLOv4: every cell predicts boxes relative to a few anchors.

YOLOv3: https://arxiv.org/abs/1804.02767; centre scales: YOLOv4, https://arxiv.org/abs/2004.10934
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nets.common.boxes import centre_to_corners
from nets.common.feature_levels import cell_grid, feature_levels, flatten_cells
from nets.common.structures import Candidates, Level
from nets.heads.decoupled_towers import PRIOR_LOGIT, set_bias
from nets.layers.darknet_blocks import conv

# Widths and heights of the anchors in pixels, per level, finest first.
Anchors = tuple[tuple[tuple[float, float], ...], ...]

YOLOV3_ANCHORS: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
YOLOV4_ANCHORS: Anchors = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
# As published for both tiny networks; 81 x 82 is on both levels.
TINY_ANCHORS: Anchors = (((23, 27), (37, 58), (81, 82)), ((81, 82), (135, 169), (344, 319)))


class AnchorRaw(NamedTuple):
    """The head's raw outputs for A anchors: finest level first, row by row, all anchors of a cell together.

    boxes       [B, A, 4], logits of the centre x, y in the cell, log of width, height relative to the anchor
    objectness  [B, A] logits
    classes     [B, A, C] logits
    cells       [A, 2], column and row of the anchor's cell in its level
    strides     [A], width of the anchor's cell in input pixels
    anchors     [A, 2], width and height in input pixels
    centre_scales  [A], width of the centre's range, in cells; with 1 it ends at the cell's borders
    levels      feature levels
    per_cell    number of anchors per cell
    """

    boxes: Tensor
    objectness: Tensor
    classes: Tensor
    cells: Tensor
    strides: Tensor
    anchors: Tensor
    centre_scales: Tensor
    levels: tuple[Level, ...]
    per_cell: int


class AnchorHead(nn.Module):
    """A head with a 3x3 and a 1x1 convolution on each level.

    anchors        anchor sizes, the same number per level, finest first; default: YOLOv3's for three levels,
                   those of the tiny networks for two
    hidden         channels between the two convolutions, per level; default: twice the input channels
    centre_scales  width of the centre's range in cells, per level; with YOLOv3's 1, the centre hardly reaches
                   the cell's border
    """

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        num_classes: int,
        anchors: Anchors | None = None,
        hidden: Sequence[int] | None = None,
        centre_scales: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.anchors = fit_anchors(anchors, len(channels))
        self.centre_scales = tuple(centre_scales or (1.0,) * len(channels))
        self.per_cell = len(self.anchors[0])
        hidden = hidden or [2 * inputs for inputs in channels]
        if not len(channels) == len(hidden) == len(self.centre_scales):
            raise ValueError(
                f"this head takes {len(hidden)} feature levels, and the neck has {len(channels)}: "
                "choose --head anchors, which takes any number"
            )
        self.convs = nn.ModuleList(conv(a, b, 3) for a, b in zip(channels, hidden, strict=True))

        def predictors(outputs: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(inputs, self.per_cell * outputs, 1) for inputs in hidden)

        self.box_preds = predictors(4)
        self.objectness_preds = predictors(1)
        self.class_preds = predictors(num_classes)
        set_bias(self.box_preds, 0.0)  # initial boxes equal their anchors
        for predictors_of_scores in (self.objectness_preds, self.class_preds):
            set_bias(predictors_of_scores, PRIOR_LOGIT)

    def forward(self, features: Sequence[Tensor]) -> AnchorRaw:
        """Return the raw outputs for feature maps [B, C, rows, columns], finest level first."""
        convolved = [convolution(x) for convolution, x in zip(self.convs, features, strict=True)]

        def predict(predictors: nn.ModuleList) -> Tensor:
            """Return [B, A, outputs per anchor] of all levels, concatenated."""
            maps = [predictor(x) for predictor, x in zip(predictors, convolved, strict=True)]
            return flatten_cells(maps).unflatten(2, (self.per_cell, -1)).flatten(1, 2).float()

        levels = feature_levels(features, self.strides)
        cells, strides = cell_grid(levels, features[0].device)
        number = [level.rows * level.columns for level in levels]
        anchors = [
            cells.new_tensor(sizes).repeat(n, 1) for sizes, n in zip(self.anchors, number, strict=True)
        ]
        scales = [
            cells.new_full((n * self.per_cell,), scale)
            for scale, n in zip(self.centre_scales, number, strict=True)
        ]
        return AnchorRaw(
            predict(self.box_preds),
            predict(self.objectness_preds).squeeze(-1),
            predict(self.class_preds),
            cells.repeat_interleave(self.per_cell, dim=0),
            strides.repeat_interleave(self.per_cell),
            torch.cat(anchors),
            torch.cat(scales),
            levels,
            self.per_cell,
        )


def decode_anchor_boxes(raw: AnchorRaw) -> Tensor:
    """Return the predicted boxes xyxy [B, A, 4] in input pixels."""
    scale = raw.centre_scales[:, None]
    centre = (raw.boxes[..., :2].sigmoid() * scale - (scale - 1) / 2 + raw.cells) * raw.strides[:, None]
    # No object is e^7 = 1097 times as large as its anchor. Unbounded, exp can overflow early in training.
    return centre_to_corners(centre, raw.boxes[..., 2:].clamp(max=7).exp() * raw.anchors)


def decode_anchors(raw: AnchorRaw) -> Candidates:
    """Return boxes and scores (objectness times class probability) before NMS."""
    return Candidates(
        decode_anchor_boxes(raw), raw.classes.sigmoid() * raw.objectness.sigmoid().unsqueeze(-1)
    )


def fit_anchors(anchors: Anchors | None, levels: int) -> Anchors:
    """Return `anchors` or, if None, the published ones; raise ValueError if they do not fit the levels."""
    if anchors is None:
        published = {2: TINY_ANCHORS, 3: YOLOV3_ANCHORS}
        if levels not in published:
            raise ValueError(f"there are no published anchors for {levels} feature levels: give --anchors")
        return published[levels]
    if len(anchors) != levels or len({len(level) for level in anchors}) != 1:
        raise ValueError(
            f"anchors for {len(anchors)} feature levels, and the network has {levels}: "
            f"give equally many for each of {levels} levels"
        )
    return anchors
