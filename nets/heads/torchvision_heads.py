"""The heads of SSD, RetinaNet and FCOS: torchvision's layers, with our raw outputs and decoders.

SSD: https://arxiv.org/abs/1512.02325; RetinaNet: https://arxiv.org/abs/1708.02002
FCOS: https://arxiv.org/abs/1904.01355
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from nets.common.box_coder import UNIT_SCALES, VARIANCE_SCALES, Scales, decode_boxes
from nets.common.boxes import gather_rows, sides_to_corners
from nets.common.structures import Candidates, InputSize, Level
from nets.common.topk import as_candidates, best_pairs, clip_to_input


class DenseRaw(NamedTuple):
    """The raw outputs of SSD or RetinaNet for A anchors over all levels, finest level first.

    boxes    [B, A, 4], box codes relative to the anchors (`nets/common/box_coder.py`)
    classes  [B, A, C] logits; [B, A, 1 + C] for SSD, background first
    anchors  [A, 4], xyxy in input pixels
    size     input size
    """

    boxes: Tensor
    classes: Tensor
    anchors: Tensor
    size: InputSize

    @property
    def levels(self) -> tuple[Level, ...]:
        """Empty: the outputs are not laid out level by level."""
        return ()


class PointRaw(NamedTuple):
    """The raw outputs of FCOS for A points over all levels, finest level first.

    boxes       [B, A, 4], distances from the point to the left, top, right and bottom side, in strides
    classes     [B, A, C] logits
    centreness  [B, A] logits of the closeness of the point to the centre of its object
    points      [A, 2], x and y in input pixels
    strides     [A], distance between neighbouring points in input pixels
    size        input size
    """

    boxes: Tensor
    classes: Tensor
    centreness: Tensor
    points: Tensor
    strides: Tensor
    size: InputSize

    @property
    def levels(self) -> tuple[Level, ...]:
        """Empty: the outputs are not laid out level by level."""
        return ()


class TorchvisionHead(nn.Module):
    """The classification and regression layers of a torchvision head.

    make_anchors  (features, input size) -> anchors xyxy [A, 4] in input pixels
    """

    def __init__(self, layers: Any, make_anchors: Callable[[Sequence[Tensor], InputSize], Tensor]) -> None:
        super().__init__()
        self.classification_head = layers.classification_head
        self.regression_head = layers.regression_head
        self.make_anchors = make_anchors


class DenseHead(TorchvisionHead):
    """The head of SSD or RetinaNet."""

    def forward(self, features: Sequence[Tensor], size: InputSize) -> DenseRaw:
        boxes, classes = self.regression_head(features), self.classification_head(features)
        return DenseRaw(boxes.float(), classes.float(), self.make_anchors(features, size), size)


class PointHead(TorchvisionHead):
    """The head of FCOS; its points are the centres of square anchors that are one stride wide."""

    def forward(self, features: Sequence[Tensor], size: InputSize) -> PointRaw:
        boxes, centreness = self.regression_head(features)
        anchors = self.make_anchors(features, size)
        return PointRaw(
            boxes.float(),
            self.classification_head(features).float(),
            centreness.squeeze(-1).float(),
            (anchors[:, :2] + anchors[:, 2:]) / 2,
            anchors[:, 2] - anchors[:, 0],
            size,
        )


def decode_ssd(raw: DenseRaw) -> Candidates:
    """Return the highest-scoring boxes; scores are a softmax over classes and background."""
    return _decode(raw, raw.classes.softmax(dim=-1)[..., 1:], VARIANCE_SCALES)


def decode_retinanet(raw: DenseRaw) -> Candidates:
    """Return the highest-scoring boxes; scores are a sigmoid per class."""
    return _decode(raw, raw.classes.sigmoid(), UNIT_SCALES)


def _decode(raw: DenseRaw, scores: Tensor, scales: Scales) -> Candidates:
    best = best_pairs(scores)
    boxes = decode_boxes(gather_rows(raw.boxes, best.rows), raw.anchors[best.rows], scales)
    return as_candidates(clip_to_input(boxes, raw.size), best, scores.shape[-1])


def decode_fcos(raw: PointRaw) -> Candidates:
    """Return the highest-scoring boxes; scores are the geometric mean of class probability and centreness."""
    scores = (raw.classes.sigmoid() * raw.centreness.sigmoid().unsqueeze(-1)).sqrt()
    best = best_pairs(scores)
    boxes = gather_rows(point_boxes(raw), best.rows)
    return as_candidates(clip_to_input(boxes, raw.size), best, scores.shape[-1])


def point_boxes(raw: PointRaw) -> Tensor:
    """Return the predicted boxes xyxy [B, A, 4] in input pixels."""
    return sides_to_corners(raw.points, raw.boxes * raw.strides[:, None])
