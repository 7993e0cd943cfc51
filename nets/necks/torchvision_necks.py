"""The necks of torchvision's detectors: the feature pyramid network (FPN), and SSD's extra levels."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class FPN(nn.Module):
    """torchvision's feature pyramid: 256 channels on each level of the backbone, plus coarser levels."""

    def __init__(self, fpn: nn.Module) -> None:
        super().__init__()
        self.fpn = fpn

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map features [B, C, H, W], finest first, to [B, 256, H, W], with coarser levels appended."""
        named = {str(level): feature for level, feature in enumerate(features)}
        return tuple(self.fpn(named).values())


class ExtraLevels(nn.Module):
    """SSD's extra, coarser levels, each computed from the previous level.

    scale  [C], learned, of the L2-normalised finest level, for VGG; None for MobileNet
    """

    scale: nn.Parameter | None

    def __init__(self, extra: Sequence[nn.Module], scale: nn.Parameter | None = None) -> None:
        super().__init__()
        self.extra = nn.ModuleList(extra)
        self.register_parameter("scale", scale)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return features [B, C, H, W], finest first, with the coarser levels appended."""
        finest, *coarser = features
        if self.scale is not None:
            finest = self.scale.view(1, -1, 1, 1) * F.normalize(finest)
        for block in self.extra:
            coarser.append(block(coarser[-1]))
        return finest, *coarser
