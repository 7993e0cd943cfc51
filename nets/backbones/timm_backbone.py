"""Backbones of timm, where it is installed: `--backbone timm:NAME`.

https://github.com/huggingface/pytorch-image-models (Apache-2.0). Weights are fresh; nothing is downloaded.
"""

import difflib
import functools
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nets.common.preprocess import PixelFormat

PREFIX = "timm:"  # of the names that stand for timm's
STRIDES = (8, 16, 32)
_PROBE = (256, 320)  # height and width, unlike each other and unlike what networks of one size only take


class Levels(NamedTuple):
    """Which of a network's levels of features have `STRIDES`, and how many channels each."""

    indices: tuple[int, ...]
    channels: tuple[int, ...]


class TimmBackbone(nn.Module):
    """The levels of strides 8, 16 and 32 of timm's network `name`; `channels` and `strides`, finest first.

    ValueError that says why if timm is not installed, knows no such network, or it has no such levels.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        levels = timm_levels(name)
        self.channels, self.strides = levels.channels, STRIDES
        self.model = _timm(name).create_model(
            name, pretrained=False, features_only=True, out_indices=levels.indices
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """[B, 3, H, W] -> a map [B, C, H / stride, W / stride] for each stride."""
        return tuple(self.model(images))


@functools.cache
def timm_levels(name: str) -> Levels:
    """The levels of the strides that necks mix. ValueError as `TimmBackbone` says."""
    timm = _timm(name)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        hint = (
            f"near it are {', '.join(near)}" if near else "timm.list_models() in Python lists what it knows"
        )
        raise ValueError(f"--backbone {PREFIX}{name}: timm knows no such network; {hint}")
    try:
        with torch.device("meta"):  # without memory or time
            model = timm.create_model(name, pretrained=False, features_only=True).eval()
            maps = model(torch.empty(1, 3, *_PROBE))
    except Exception as error:  # networks without levels, or for one size only, fail in many ways
        raise _unfit(name, f"it makes no levels of features of images of any size ({error})") from None
    sizes = [tuple(level.shape[2:]) for level in maps]
    wanted = [(_PROBE[0] // stride, _PROBE[1] // stride) for stride in STRIDES]
    if any(size not in sizes for size in wanted):
        cells = ", ".join(f"{rows}x{columns}" for rows, columns in sizes)
        raise _unfit(name, f"of an image of {_PROBE[0]}x{_PROBE[1]} it makes {cells} cells")
    indices = tuple(sizes.index(size) for size in wanted)
    return Levels(indices, tuple(maps[index].shape[1] for index in indices))


def timm_pixels(name: str, pixels: PixelFormat) -> PixelFormat:
    """What timm's network `name` expects of pixels; `pixels` says how images are padded.

    ValueError as `TimmBackbone` says.
    """
    timm_levels(name)
    config = _timm(name).get_pretrained_cfg(name)
    return pixels._replace(channels="rgb", scale=1 / 255, mean=tuple(config.mean), std=tuple(config.std))


def from_timm(state: Mapping[str, Tensor], ours: Iterable[str]) -> dict[str, Tensor]:
    """A state dict of timm's whole network under `ours`, the names of a detector's; others stay as they are.

    Where a network gives its levels of features, timm flattens it, and "stages.0" becomes "stages_0".
    """
    prefix = "backbone.model."
    table = {_folded(name.removeprefix(prefix)): name for name in ours if name.startswith(prefix)}
    return {table.get(_folded(name), name): tensor for name, tensor in state.items()}


def _folded(name: str) -> str:
    return name.removeprefix("model.").replace(".", "_")


def _timm(name: str) -> ModuleType:
    try:
        import timm
    except ImportError:
        raise ValueError(
            f"--backbone {PREFIX}{name} needs timm, which is not installed: pip install timm"
        ) from None
    return timm


def _unfit(name: str, why: str) -> ValueError:
    return ValueError(
        f"--backbone {PREFIX}{name}: {why}, and a neck needs levels of strides "
        f"{', '.join(map(str, STRIDES))}; {PREFIX}resnet18, {PREFIX}mobilenetv3_large_100 and "
        f"{PREFIX}convnext_tiny have them"
    )
