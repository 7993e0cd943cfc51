"""BatchNorm over the parts of a batch that several processes have, as if one had them all.

PyTorch's own works on GPUs only. This one sums over processes by `torch.distributed.nn`, whose sums have
gradients, on any device.
"""

from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


class SyncBatchNorm2d(nn.BatchNorm2d):
    """A BatchNorm2d whose statistics in training are those of all processes; weights have the same names."""

    def forward(self, images: Tensor) -> Tensor:
        """[B, C, H, W] -> the same"""
        if not self.training or not distributed.is_initialized():
            return super().forward(images)
        values = images.float()
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = torch.cat([values.sum(dim=(0, 2, 3)), values.square().sum(dim=(0, 2, 3)), count])
        sums = cast(Tensor, all_reduce(sums))
        total = sums[-1]
        mean, square = sums[:-1].view(2, -1) / total
        variance = (square - mean.square()).clamp(min=0)
        self._keep(mean.detach(), variance.detach() * total / (total - 1).clamp(min=1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (values * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)).to(images.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with every BatchNorm over all processes; a part that rests keeps its statistics."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SyncBatchNorm2d
    return module
