"""Backbones of timm, if it is installed: `--backbone timm:NAME`.

https://github.com/huggingface/pytorch-image-models (Apache-2.0). Weights are randomly initialised; nothing is
downloaded.
"""

import difflib
import functools
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nets.common.preprocess import PixelFormat

TIMM_PREFIX = "timm:"  # prefix of the names of timm's backbones
TIMM_STRIDES = (8, 16, 32)
_PROBE = (256, 320)  # height and width of a test input; networks with a fixed input size reject it


class TimmLevels(NamedTuple):
    """Indices of the feature levels with strides `TIMM_STRIDES` in a timm network, and their channels."""

    indices: tuple[int, ...]
    channels: tuple[int, ...]


class TimmBackbone(nn.Module):
    """The timm network `name` with features at strides 8, 16 and 32; `channels` and `strides`, finest first.

    ValueError if timm is not installed, has no network of this name, or the network lacks these levels.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        levels = timm_levels(name)
        self.channels, self.strides = levels.channels, TIMM_STRIDES
        self.model = _timm(name).create_model(
            name, pretrained=False, features_only=True, out_indices=levels.indices
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, C, H / stride, W / stride] for each stride."""
        return tuple(self.model(images))


@functools.cache
def timm_levels(name: str) -> TimmLevels:
    """Return the feature levels of timm's network `name`; raise ValueError as `TimmBackbone` does."""
    timm = _timm(name)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        hint = (
            f"similar names: {', '.join(near)}" if near else "timm.list_models() in Python lists all of them"
        )
        raise ValueError(f"--backbone {TIMM_PREFIX}{name}: timm has no network of this name; {hint}")
    try:
        with torch.device("meta"):  # needs no memory and no time
            model = timm.create_model(name, pretrained=False, features_only=True).eval()
            maps = model(torch.empty(1, 3, *_PROBE))
    except Exception as error:  # networks without levels or with a fixed size fail in many ways
        raise _unfit(name, f"it does not give feature levels for images of any size ({error})") from None
    sizes = [tuple(level.shape[2:]) for level in maps]
    expected = [(_PROBE[0] // stride, _PROBE[1] // stride) for stride in TIMM_STRIDES]
    if any(size not in sizes for size in expected):
        cells = ", ".join(f"{rows}x{columns}" for rows, columns in sizes)
        raise _unfit(name, f"its feature maps of an image of {_PROBE[0]}x{_PROBE[1]} have {cells} cells")
    indices = tuple(sizes.index(size) for size in expected)
    return TimmLevels(indices, tuple(maps[index].shape[1] for index in indices))


def timm_pixels(name: str, pixels: PixelFormat) -> PixelFormat:
    """Return the pixel format of timm's network `name`, with the padding of `pixels`.

    ValueError as in `TimmBackbone`.
    """
    timm_levels(name)
    config = _timm(name).get_pretrained_cfg(name)
    return pixels._replace(channels="rgb", scale=1 / 255, mean=tuple(config.mean), std=tuple(config.std))


def from_timm(state: Mapping[str, Tensor], ours: Iterable[str]) -> dict[str, Tensor]:
    """Rename the tensors of a full timm network to `ours`, the names of a detector; other names stay.

    As a feature extractor, timm flattens the names: "stages.0" becomes "stages_0".
    """
    prefix = "backbone.model."
    table = {_flattened(name.removeprefix(prefix)): name for name in ours if name.startswith(prefix)}
    return {table.get(_flattened(name), name): tensor for name, tensor in state.items()}


def _flattened(name: str) -> str:
    return name.removeprefix("model.").replace(".", "_")


def _timm(name: str) -> ModuleType:
    try:
        import timm
    except ImportError:
        raise ValueError(
            f"--backbone {TIMM_PREFIX}{name} needs timm, which is not installed: pip install timm"
        ) from None
    return timm


def _unfit(name: str, why: str) -> ValueError:
    return ValueError(
        f"--backbone {TIMM_PREFIX}{name}: {why}, and a neck needs feature levels of strides "
        f"{', '.join(map(str, TIMM_STRIDES))}; {TIMM_PREFIX}resnet18, {TIMM_PREFIX}mobilenetv3_large_100 and "
        f"{TIMM_PREFIX}convnext_tiny have them"
    )
