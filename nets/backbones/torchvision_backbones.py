"""torchvision's backbones as modules that give a list of feature maps."""

from collections.abc import Sequence

from torch import Tensor, nn


class Body(nn.Module):
    """torchvision's ResNet up to its last level of features; `channels` and `strides`, finest first."""

    def __init__(self, body: nn.Module, strides: Sequence[int]) -> None:
        super().__init__()
        self.body = body
        self.strides = tuple(strides)
        self.channels = tuple(64 * stride for stride in strides)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """[B, 3, H, W] -> a map [B, 64 * stride, H / stride, W / stride] for each stride."""
        return tuple(self.body(images).values())


class Chain(nn.Module):
    """Blocks one after the other, each of which gives a level; `strides`, finest first."""

    def __init__(self, blocks: Sequence[nn.Module], strides: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.strides = tuple(strides)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        return tuple(levels)
