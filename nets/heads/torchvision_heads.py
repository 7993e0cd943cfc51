"""The heads of SSD, RetinaNet and FCOS: torchvision's layers, raw outputs and decoders as ours have them.

SSD: https://arxiv.org/abs/1512.02325; RetinaNet: https://arxiv.org/abs/1708.02002
FCOS: https://arxiv.org/abs/1904.01355
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from nets.common import box_coder as box_codes
from nets.common.box_coder import PLAIN, SCALED
from nets.common.boxes import gather_rows, sides_to_corners
from nets.common.structures import Candidates
from nets.common.topk import as_decoded, best_pairs, clip
from nets.heads.anchors import InputSize


class DenseRaw(NamedTuple):
    """What the head returns, in training as in evaluation; A anchors over all levels, finest level first.

    boxes    [B, A, 4], codes of the boxes at the anchors (`nets/common/box_coder.py`)
    classes  [B, A, C] logits; SSD's are [B, A, 1 + C], background first
    anchors  [A, 4], xyxy in pixels of the network input
    size     height and width of the network input
    """

    boxes: Tensor
    classes: Tensor
    anchors: Tensor
    size: InputSize


class PointRaw(NamedTuple):
    """What FCOS's head returns; A points over all levels, finest level first.

    boxes       [B, A, 4], distances of the left, top, right and bottom side from the point, in strides
    classes     [B, A, C] logits
    centreness  [B, A] logits, how near the point is to the middle of its object
    points      [A, 2], x and y in pixels of the network input
    strides     [A], pixels of the network input from point to point
    size        height and width of the network input
    """

    boxes: Tensor
    classes: Tensor
    centreness: Tensor
    points: Tensor
    strides: Tensor
    size: InputSize


class TorchvisionHead(nn.Module):
    """The classification and the regression layers of one of torchvision's heads.

    lay_anchors(features, size) gives the anchors xyxy [A, 4].
    """

    def __init__(self, layers: Any, lay_anchors: Callable[[Sequence[Tensor], InputSize], Tensor]) -> None:
        super().__init__()
        self.classification_head = layers.classification_head
        self.regression_head = layers.regression_head
        self.lay_anchors = lay_anchors


class DenseHead(TorchvisionHead):
    """That of SSD or RetinaNet."""

    def forward(self, features: Sequence[Tensor], size: InputSize) -> DenseRaw:
        boxes, classes = self.regression_head(features), self.classification_head(features)
        return DenseRaw(boxes.float(), classes.float(), self.lay_anchors(features, size), size)


class PointHead(TorchvisionHead):
    """That of FCOS, whose anchors are squares as wide as a stride, whose centres are the points."""

    def forward(self, features: Sequence[Tensor], size: InputSize) -> PointRaw:
        boxes, centreness = self.regression_head(features)
        anchors = self.lay_anchors(features, size)
        return PointRaw(
            boxes.float(),
            self.classification_head(features).float(),
            centreness.squeeze(-1).float(),
            (anchors[:, :2] + anchors[:, 2:]) / 2,
            anchors[:, 2] - anchors[:, 0],
            size,
        )


def decode_ssd(raw: DenseRaw) -> Candidates:
    """The best boxes, and their classes' probabilities: one class or the background is right."""
    return _decode(raw, raw.classes.softmax(dim=-1)[..., 1:], SCALED)


def decode_retinanet(raw: DenseRaw) -> Candidates:
    """The best boxes, and their classes' probabilities: a yes or no for each class."""
    return _decode(raw, raw.classes.sigmoid(), PLAIN)


def _decode(raw: DenseRaw, scores: Tensor, scales: box_codes.Scales) -> Candidates:
    best = best_pairs(scores)
    boxes = box_codes.decode_boxes(gather_rows(raw.boxes, best.rows), raw.anchors[best.rows], scales)
    return as_decoded(clip(boxes, raw.size), best, scores.shape[-1])


def decode_fcos(raw: PointRaw) -> Candidates:
    """The best boxes, and the geometric mean of their classes' probabilities and centreness."""
    scores = (raw.classes.sigmoid() * raw.centreness.sigmoid().unsqueeze(-1)).sqrt()
    best = best_pairs(scores)
    boxes = gather_rows(point_boxes(raw), best.rows)
    return as_decoded(clip(boxes, raw.size), best, scores.shape[-1])


def point_boxes(raw: PointRaw) -> Tensor:
    """Boxes xyxy [B, A, 4] in pixels of the network input."""
    return sides_to_corners(raw.points, raw.boxes * raw.strides[:, None])
