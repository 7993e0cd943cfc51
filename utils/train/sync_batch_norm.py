"""Synchronised BatchNorm: statistics over the batches of all processes.

PyTorch's own works on GPUs only; this one works on any device.
"""

import torch
from torch import Tensor, distributed, nn


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; gradients are summed likewise, as each part affects all."""

    @staticmethod
    def forward(_context: object, part: Tensor) -> Tensor:
        """Return the sum, of the shape of `part`."""
        total = part.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        """Return the sum of the gradients of all processes."""
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class SyncBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d with training statistics over all processes; its weights have the same names."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise features [B, C, H, W]."""
        if not self.training or not distributed.is_initialized():
            return super().forward(images)
        values = images.float()
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = SumOverProcesses.apply(torch.cat([values.sum(dim=(0, 2, 3)), count]))
        total = sums[-1]
        mean = sums[:-1] / total
        centred = values - mean.view(-1, 1, 1)  # mean of squares minus square of mean would lose precision
        variance = SumOverProcesses.apply(centred.square().sum(dim=(0, 2, 3))) / total
        self._keep(mean.detach(), variance.detach() * total / (total - 1).clamp(min=1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(-1, 1, 1) + self.bias.view(-1, 1, 1)).to(images.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> nn.Module:
    """Return the module with every BatchNorm synchronised; frozen ones keep their statistics."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for part in module.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SyncBatchNorm2d
    return module
