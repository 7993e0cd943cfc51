"""The letterbox: scale an image to fit the network input, keep the aspect ratio, pad the rest.

Training, evaluation and prediction share this code, so that the network sees the same input in all three.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.images.types import Image, Size, size_of

PAD_VALUE = 114


@dataclass(frozen=True)
class Letterbox:
    """The scale and position of an image on the network input.

    The scales are exactly resized size / source size; due to rounding they differ between the axes. With one
    nominal scale, mapped boxes would be several pixels off.

    scale_x, scale_y  input pixels per original pixel
    left, top         padding on the left and at the top, in input pixels
    source            size of the original image
    resized           size of the image on the network input, without padding
    """

    scale_x: float
    scale_y: float
    left: int
    top: int
    source: Size
    resized: Size

    def forward(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes [N, 4], xyxy, from the original image to the network input; float32."""
        return (np.asarray(boxes, np.float64) * self._scales() + self._offsets()).astype(np.float32)

    def inverse(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes [N, 4], xyxy, from the network input to the original image, clipped to it; float32."""
        original = (np.asarray(boxes, np.float64) - self._offsets()) / self._scales()
        height, width = self.source
        return np.clip(original, 0, (width, height, width, height)).astype(np.float32)

    def _scales(self) -> np.ndarray:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])

    def _offsets(self) -> np.ndarray:
        return np.array([self.left, self.top, self.left, self.top], np.float64)


def plan_letterbox(source: Size, target: Size, centred: bool = False) -> Letterbox:
    """Return the letterbox of an image of size `source` on an input of size `target`.

    Pads the right and the bottom, or equally on all sides if `centred`.
    """
    assert min(*source, *target) > 0, "sizes are positive"
    scale = min(target[0] / source[0], target[1] / source[1])
    # At least one pixel, even for an extremely thin image.
    height, width = (max(1, round(side * scale)) for side in source)
    top, left = ((target[0] - height) // 2, (target[1] - width) // 2) if centred else (0, 0)
    return Letterbox(width / source[1], height / source[0], left, top, source, (height, width))


def rectangular_size(sources: Sequence[Size], size: Size, stride: int) -> Size:
    """Return the smallest input size, in multiples of `stride`, for images scaled to fit `size`.

    sources  sizes of the images, at least one
    """
    shapes = [plan_letterbox(source, size).resized for source in sources]
    height, width = (-(-max(sides) // stride) * stride for sides in zip(*shapes, strict=True))
    return min(height, size[0]), min(width, size[1])


def letterbox(
    image: Image,
    size: Size,
    pad_value: int = PAD_VALUE,
    centred: bool = False,
    out: Image | None = None,
) -> tuple[Image, Letterbox]:
    """Scale `image` to fit `size`, pad it with `pad_value`, and return it with its `Letterbox`.

    The result is written into `out` [H, W, 3] if given (a slice of a batch). Without `out`, an image that
    already has this size is returned without a copy.
    """
    plan = plan_letterbox(size_of(image), size, centred)
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


def resize_into(image: Image, out: Image) -> None:
    """Resize `image` to fill `out`, which may be a view of a larger array."""
    if image.shape == out.shape:
        out[:] = image
        return
    # OpenCV writes straight into `dst`, even into a view with a row stride.
    written = cv2.resize(image, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_LINEAR)
    if written is not out:
        out[:] = written
