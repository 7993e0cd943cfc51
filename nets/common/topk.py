"""The best of very many candidates, so that what goes on to NMS is bounded in size."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.common.boxes import gather_rows
from nets.common.structures import Candidates

MOST = 1000  # as many as NMS looks at


class Best(NamedTuple):
    """The K best pairs of candidate and class of each image, best first.

    rows    int64 [B, K], the candidate
    labels  int64 [B, K], the class
    scores  [B, K]
    """

    rows: Tensor
    labels: Tensor
    scores: Tensor


def best_pairs(scores: Tensor) -> Best:
    """The best pairs of scores [B, A, C], at most `MOST`; a candidate can stand for several classes."""
    classes = scores.shape[2]
    # The best pairs are of the candidates whose best class is best: 80 times fewer numbers to sort.
    rows = scores.amax(dim=2).topk(min(MOST, scores.shape[1]), dim=1).indices
    best = gather_rows(scores, rows).flatten(1)
    found, pair = best.topk(min(MOST, best.shape[1]), dim=1)
    return Best(rows.gather(1, pair // classes), pair % classes, found)


def as_decoded(boxes: Tensor, best: Best, classes: int) -> Candidates:
    """Boxes xyxy [B, K, 4] of the best pairs, and for each the score of its class, 0 for the others'."""
    return Candidates(boxes, F.one_hot(best.labels, classes) * best.scores.unsqueeze(-1))


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes xyxy [..., 4] cut off at the borders of an image of `size` (height, width)."""
    x, y = boxes[..., 0::2].clamp(0, size[1]), boxes[..., 1::2].clamp(0, size[0])
    return torch.stack((x, y), dim=-1).flatten(-2)
