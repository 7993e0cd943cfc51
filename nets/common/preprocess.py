"""Preprocessing on the device: pixels in the format that a network expects."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor


class PixelFormat(NamedTuple):
    """The pixel format of a network's input: `(pixel * scale - mean) / std`, in the order `channels`.

    channels    order of the colour channels
    scale       factor of the pixel values: 1 keeps 0-255, 1/255 gives 0-1
    mean, std   mean and standard deviation per channel, in the network's channel order, after scaling
    pad_value   grey value of the letterbox padding
    pad_centred whether the letterbox centres the image, or puts it at the top left
    """

    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    pad_value: int = 114
    pad_centred: bool = True


def prepare_pixels(images: Tensor, pixels: PixelFormat) -> Tensor:
    """Convert uint8 RGB [B, 3, H, W] to float32 [B, 3, H, W] in the format `pixels`; keeps the memory format.

    Under autocast, the result has autocast's dtype. Otherwise the first convolution would convert it, after
    the preceding operations had moved twice the bytes: 7 % of the time of YOLOX-nano on a CPU.
    """
    prepared = (images.flip(1) if pixels.channels == "bgr" else images).float()
    if pixels.scale != 1:
        prepared = prepared * pixels.scale
    if any(pixels.mean) or set(pixels.std) != {1.0}:
        mean, std = (
            torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (pixels.mean, pixels.std)
        )
        prepared = (prepared - mean) / std
    kind = images.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return prepared.to(torch.get_autocast_dtype(kind))
    return prepared
