"""The letterbox: an image scaled to fit the network input, its shape kept, the rest padded.

The one letterbox of training, evaluation and prediction, so that what is learned is what is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

PAD_VALUE = 114


@dataclass(frozen=True)
class Letterbox:
    """Where an image lies on the network input.

    The scales are exactly resized size / source size, which differ by rounding between the axes; with the
    nominal scale instead, boxes would come back up to several pixels off.

    scale_x, scale_y  network pixels per original pixel
    left, top         where the image starts on the network input, in pixels
    source            (height, width) of the original image
    resized           (height, width) of the image on the network input
    """

    scale_x: float
    scale_y: float
    left: int
    top: int
    source: tuple[int, int]
    resized: tuple[int, int]

    def forward(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes [N, 4], xyxy in original pixels -> float32 xyxy in pixels of the network input."""
        return (np.asarray(boxes, np.float64) * self._scales() + self._offsets()).astype(np.float32)

    def inverse(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes [N, 4], xyxy on the network input -> float32 in original pixels, clipped to the image."""
        original = (np.asarray(boxes, np.float64) - self._offsets()) / self._scales()
        height, width = self.source
        return np.clip(original, 0, (width, height, width, height)).astype(np.float32)

    def _scales(self) -> np.ndarray:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])

    def _offsets(self) -> np.ndarray:
        return np.array([self.left, self.top, self.left, self.top], np.float64)


def plan_letterbox(source: tuple[int, int], target: tuple[int, int], centred: bool = False) -> Letterbox:
    """Where an image of size `source` goes on an input of size `target`, both (height, width) in pixels.

    The padding is on the right and below, or on all sides alike if `centred`.
    """
    assert min(*source, *target) > 0, "sizes are positive"
    scale = min(target[0] / source[0], target[1] / source[1])
    # An image extremely long and thin still keeps one pixel.
    height, width = (max(1, round(side * scale)) for side in source)
    top, left = ((target[0] - height) // 2, (target[1] - width) // 2) if centred else (0, 0)
    return Letterbox(width / source[1], height / source[0], left, top, source, (height, width))


def rectangular_size(
    sources: Sequence[tuple[int, int]], size: tuple[int, int], stride: int
) -> tuple[int, int]:
    """The smallest input (height, width), multiples of `stride`, that holds images scaled to fit `size`.

    sources  (height, width) of the images, at least one
    """
    shapes = [plan_letterbox(source, size).resized for source in sources]
    height, width = (-(-max(sides) // stride) * stride for sides in zip(*shapes, strict=True))
    return min(height, size[0]), min(width, size[1])


def letterbox(
    image: np.ndarray,
    size: tuple[int, int],
    pad_value: int = PAD_VALUE,
    centred: bool = False,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, Letterbox]:
    """Scale `image` [h, w, 3] to fit `size` (H, W), pad it with `pad_value`, and say where it went.

    `out` uint8 [H, W, 3] is written into if given (a slice of a batch); else an array is made. An image
    that already has the right size comes back as it is, without a copy.
    """
    plan = plan_letterbox((image.shape[0], image.shape[1]), size, centred)
    if out is None:
        if plan.source == size:
            return image, plan
        out = np.empty((*size, image.shape[2]), np.uint8)
    bottom, right = plan.top + plan.resized[0], plan.left + plan.resized[1]
    resize_into(image, out[plan.top : bottom, plan.left : right])
    out[: plan.top] = pad_value
    out[bottom:] = pad_value
    out[plan.top : bottom, : plan.left] = pad_value
    out[plan.top : bottom, right:] = pad_value
    return out, plan


def resize_into(image: np.ndarray, out: np.ndarray) -> None:
    """Scale `image` [h, w, 3] over the whole of `out`, a view [H, W, 3] of a larger array perhaps."""
    if image.shape == out.shape:
        out[:] = image
        return
    # OpenCV writes straight into `dst`, also into a view whose rows are apart.
    written = cv2.resize(image, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_LINEAR)
    if written is not out:
        out[:] = written
