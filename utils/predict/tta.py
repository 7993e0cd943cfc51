"""Test-time augmentation: several views of an image, their candidates together before NMS.

It finds more for about four times the time. A box that only one view shows stays a detection, and of those
that several show NMS keeps the surest.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nets import preset
from nets.common.structures import Candidates
from utils.images.letterbox import Letterbox
from utils.predict.predictor import Predictor
from utils.system.stopwatch import Stopwatch

# How large the network's input is beside the usual one, and whether the image is flipped. The first is the
# image as it is, on whose input all boxes come out.
VIEWS = ((1.0, False), (1.0, True), (0.83, False), (1.2, True))


def augmented_candidates(
    predictor: Predictor, images: Sequence[np.ndarray], watch: Stopwatch | None = None
) -> tuple[Candidates, list[Letterbox]]:
    """As `Predictor.candidates` of uint8 RGB images [H, W, 3], but of all views of them."""
    decoded, letterboxes = predictor.candidates(images, watch)
    parts = [decoded]
    for view, flipped in _other_views(predictor):
        seen = [np.ascontiguousarray(image[:, ::-1]) for image in images] if flipped else images
        candidates, plans = view.candidates(seen, watch)
        parts.append(candidates._replace(boxes=_moved(candidates.boxes, plans, letterboxes, flipped)))
    boxes, scores = (torch.cat(values, dim=1) for values in zip(*parts, strict=True))
    return Candidates(boxes, scores), letterboxes


def _other_views(predictor: Predictor) -> Iterator[tuple[Predictor, bool]]:
    """All but the first: a predictor with another size of input, and whether it gets flipped images.

    An exported file of fixed size can only flip.
    """
    facts = getattr(predictor.model.detector, "facts", None)
    stride = predictor.model.detector.stride
    smallest = preset(predictor.model.model_name).smallest
    used = {(predictor.model.image_size, False)}
    for scale, flipped in VIEWS[1:]:
        height, width = (round(side * scale / stride) * stride for side in predictor.model.image_size)
        size = (height, width)
        if min(size) < smallest or (facts is not None and not facts.dynamic):
            size = predictor.model.image_size
        if (size, flipped) not in used:
            used.add((size, flipped))
            view = copy.copy(predictor)
            view.model = replace(predictor.model, image_size=size)
            yield view, flipped


def _moved(boxes: Tensor, plans: Sequence[Letterbox], targets: Sequence[Letterbox], flipped: bool) -> Tensor:
    """Boxes [B, A, 4] on inputs that lie as `plans` say, on those of `targets`; flipped back if need be."""
    factors, offsets = [], []
    for plan, target in zip(plans, targets, strict=True):
        width = plan.source[1]
        x, y = target.scale_x / plan.scale_x, target.scale_y / plan.scale_y
        at_y = target.top - plan.top * y
        # Of a flipped image, x lies where width - x lies on the image itself.
        at_x = target.left + (width * target.scale_x + plan.left * x if flipped else -plan.left * x)
        x = -x if flipped else x
        factors.append([x, y, x, y])
        offsets.append([at_x, at_y, at_x, at_y])
    moved = boxes * boxes.new_tensor(factors)[:, None] + boxes.new_tensor(offsets)[:, None]
    return moved[..., [2, 1, 0, 3]] if flipped else moved
