"""torchvision's backbones as modules that return a tuple of feature maps."""

from collections.abc import Sequence

from torch import Tensor, nn


class Body(nn.Module):
    """torchvision's ResNet without its classifier; `channels` and `strides` of its features, finest first."""

    def __init__(self, body: nn.Module, strides: Sequence[int]) -> None:
        super().__init__()
        self.body = body
        self.strides = tuple(strides)
        self.channels = tuple(64 * stride for stride in strides)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, 64 * stride, H / stride, W / stride] for each stride."""
        return tuple(self.body(images).values())


class Chain(nn.Module):
    """A sequence of blocks whose outputs are the feature levels, finest first, with the given `strides`."""

    def __init__(self, blocks: Sequence[nn.Module], strides: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.strides = tuple(strides)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map [B, C, H, W] to features [B, C', H / stride, W / stride] for each stride."""
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        return tuple(levels)
