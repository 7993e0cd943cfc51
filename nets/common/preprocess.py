"""What a network expects of pixels: its first step, on the device."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor


class PixelFormat(NamedTuple):
    """How RGB uint8 pixels become a network's input: `(pixel * scale - mean) / std`, in its channel order.

    channels    order of the colour channels
    scale       1 keeps 0-255, 1/255 makes 0-1
    mean, std   for each channel in the network's order, after scaling
    pad_value   the grey value around a letterboxed image
    pad_centred whether the image stands in the middle of the padding, or at the top left
    """

    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    pad_value: int = 114
    pad_centred: bool = True


def prepare_pixels(images: Tensor, pixels: PixelFormat) -> Tensor:
    """uint8 RGB [B, 3, H, W] -> float32 [B, 3, H, W] as `pixels` says, in the same memory format.

    Under autocast they come in its number format. The first convolution would convert them otherwise, after
    whatever is before it has moved twice the bytes: 7 % of the time of YOLOX-nano, on a CPU.
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
