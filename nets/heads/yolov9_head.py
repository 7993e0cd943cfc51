"""The head of YOLOv9: on each level a tower for classes, and one for boxes in four groups, one per box side.

YOLOv9: https://arxiv.org/abs/2402.13616
"""

from collections.abc import Sequence

from torch import Tensor, nn

from nets.heads.dfl_head import BINS, DFLRaw, raw_outputs, start_predictors
from nets.layers.blocks import ConvBNAct

BOX_SIDES = 4


class YOLOv9Head(nn.Module):
    """A head that predicts C class logits and four distance distributions for every cell.

    The class tower has the width published for 80 classes, whatever the number of classes, so that published
    weights load into detectors for other classes. The minimum of 80 channels matters only for the smallest
    model: with 128, as in newer code, it would have 2.4 M parameters instead of the published 2.0 M.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], num_classes: int) -> None:
        super().__init__()
        quarter = channels[0] // BOX_SIDES
        box_hidden = max(quarter + -quarter % BOX_SIDES, BOX_SIDES * BINS)
        class_hidden = max(channels[0], 80)
        self.strides = tuple(strides)

        def tower(inputs: int, hidden: int, groups: int) -> nn.Sequential:
            return nn.Sequential(ConvBNAct(inputs, hidden, 3), ConvBNAct(hidden, hidden, 3, groups=groups))

        self.class_convs = nn.ModuleList(tower(inputs, class_hidden, 1) for inputs in channels)
        self.box_convs = nn.ModuleList(tower(inputs, box_hidden, BOX_SIDES) for inputs in channels)
        self.class_preds = nn.ModuleList(nn.Conv2d(class_hidden, num_classes, 1) for _ in channels)
        self.distance_preds = nn.ModuleList(
            nn.Conv2d(box_hidden, BOX_SIDES * BINS, 1, groups=BOX_SIDES) for _ in channels
        )
        start_predictors(self.class_preds, self.distance_preds, strides)

    def forward(self, features: Sequence[Tensor]) -> DFLRaw:
        """Return the raw outputs for feature maps [B, C, rows, columns], finest level first."""
        classes, distances = [], []
        for level, x in enumerate(features):
            classes.append(self.class_preds[level](self.class_convs[level](x)))
            distances.append(self.distance_preds[level](self.box_convs[level](x)))
        return raw_outputs(classes, distances, self.strides)
