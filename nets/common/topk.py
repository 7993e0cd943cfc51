"""Selection of the top-k candidates, which bounds the input of NMS."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.common.boxes import gather_rows
from nets.common.structures import Candidates, InputSize

MAX_PAIRS = 1000  # the maximum that NMS takes


class BestPairs(NamedTuple):
    """The K highest-scoring pairs of a candidate and a class per image, in descending order.

    rows    int64 [B, K], index of the candidate
    labels  int64 [B, K], 0-based class
    scores  float32 [B, K], score of the class
    """

    rows: Tensor
    labels: Tensor
    scores: Tensor


def best_pairs(scores: Tensor) -> BestPairs:
    """Return the top `MAX_PAIRS` scores of [B, A, C]; a candidate may occur more than once."""
    classes = scores.shape[2]
    # The top pairs are among the candidates with the highest maximum scores: 80 times fewer values to sort.
    rows = scores.amax(dim=2).topk(min(MAX_PAIRS, scores.shape[1]), dim=1).indices
    best = gather_rows(scores, rows).flatten(1)
    found, pair = best.topk(min(MAX_PAIRS, best.shape[1]), dim=1)
    return BestPairs(rows.gather(1, pair // classes), pair % classes, found)


def as_candidates(boxes: Tensor, best: BestPairs, classes: int) -> Candidates:
    """Return (box, class) pairs as boxes xyxy [B, K, 4] and scores [B, K, classes], else 0."""
    return Candidates(boxes, F.one_hot(best.labels, classes) * best.scores.unsqueeze(-1))


def clip_to_input(boxes: Tensor, size: InputSize) -> Tensor:
    """Clip boxes xyxy [..., 4] to an input of `size` (height, width)."""
    x, y = boxes[..., 0::2].clamp(0, size[1]), boxes[..., 1::2].clamp(0, size[0])
    return torch.stack((x, y), dim=-1).flatten(-2)
