"""Muon: matrices are updated by their orthogonalised momentum, all other parameters by AdamW.

Muon: https://kellerjordan.github.io/posts/muon/
size of its step: Muon is Scalable for LLM Training, https://arxiv.org/abs/2502.16982 (section 2.2)
AdamW: https://arxiv.org/abs/1711.05101

torch.optim.Muon takes only two-dimensional parameters, works on them one by one, and cannot skip a step.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from utils.system.device import supports_bf16

NEWTON_SCHULZ_STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # steep at 0, so that small singular values grow quickly
TINY = 1e-30  # no division by 0
ADAMW_RMS = 0.2  # RMS of AdamW's updates at a learning rate of 1: Muon's are scaled to match


class Muon(torch.optim.Optimizer):
    """One optimizer for all parameters of a network.

    The key "matrices" of a group is the number of matrices in each of its kernels [out, in, ...]: one, or the
    number of groups of the convolution. 0 means AdamW, with `momentum` as its beta1. Weight decay is
    decoupled in both.

    Like torch's fused optimizers it obeys its attributes `found_inf` (skip the step where it is 1) and
    `grad_scale` (divide gradients by it), without waiting for the device. GradScaler sets and deletes them.
    """

    grad_scale: Tensor | None
    found_inf: Tensor | None

    def __init__(
        self, groups: Iterable[dict[str, Any]], lr: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        # "fused" makes `load_state_dict` put AdamW's step count on the device.
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "matrices": 0,
            "fused": True,
        }
        super().__init__(groups, defaults)
        self._step_supports_amp_scaling = True  # GradScaler sets the two attributes only if this is True
        for group in self.param_groups:
            for parameter in group["params"]:  # now, as the first step may be skipped
                self.state[parameter] = _fresh_state(parameter, group["matrices"])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the parameters that have gradients."""
        assert closure is None, "gradients are computed before the step"
        grad_scale, found_inf = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            if not group["matrices"]:
                self._adamw_step(group, parameters, grad_scale, found_inf)
                continue
            by_shape = defaultdict(list)
            for parameter in parameters:
                by_shape[parameter.shape].append(parameter)
            for kernels in by_shape.values():
                self._muon_step(group, kernels, grad_scale, found_inf)

    def _adamw_step(
        self,
        group: dict[str, Any],
        parameters: list[nn.Parameter],
        grad_scale: Tensor | None,
        found_inf: Tensor | None,
    ) -> None:
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            [*parameters],
            [p.grad for p in parameters if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            grad_scale=grad_scale,
            found_inf=found_inf,
            amsgrad=False,
            beta1=group["momentum"],
            beta2=0.999,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )

    def _muon_step(
        self,
        group: dict[str, Any],
        kernels: list[nn.Parameter],
        grad_scale: Tensor | None,
        found_inf: Tensor | None,
    ) -> None:
        """Update kernels of one shape at once."""
        buffers = [self.state[kernel]["momentum_buffer"] for kernel in kernels]
        matrices = group["matrices"]
        weights, momentum = _stacked(kernels, matrices), _stacked(buffers, matrices)
        gradient = _stacked([kernel.grad for kernel in kernels if kernel.grad is not None], matrices)
        if grad_scale is not None:
            gradient = gradient / grad_scale
        moved = momentum.lerp(gradient, 1 - group["momentum"])
        direction = orthogonalise(gradient.lerp(moved, group["momentum"]))  # Nesterov momentum
        # The direction does not shrink with the momentum. Where there is no gradient, as in a level of the
        # head that no object is assigned to, it would go on at full size for ever.
        direction = direction * (gradient != 0).any(dim=-1).any(dim=-1)[:, None, None]
        size = group["lr"] * ADAMW_RMS * math.sqrt(max(direction.shape[-2:]))
        changed = weights * (1 - group["lr"] * group["weight_decay"]) - size * direction
        if found_inf is not None:
            moved = torch.where(found_inf > 0, momentum, moved)
            changed = torch.where(found_inf > 0, weights, changed)
        torch._foreach_copy_([*kernels], _unstacked(changed, kernels))
        torch._foreach_copy_(buffers, _unstacked(moved, kernels))


def orthogonalise(matrices: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return approximately U V^T for each matrix U S V^T [N, rows, columns], float32, by Newton-Schulz steps.

    Singular values of .002 to 1 times the Frobenius norm come out between .68 and 1.21, smaller ones up to
    485 times as large. Products are computed in `dtype`, by default bfloat16 where the device supports it.
    """
    if dtype is None:
        dtype = torch.bfloat16 if supports_bf16(matrices.device) else torch.float32
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.abs().amax(dim=(-2, -1), keepdim=True).clamp(min=TINY)  # squares of 1e-23 would be 0
    x = (x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)).to(dtype)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT  # the smaller of the two Gram matrices
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


def _fresh_state(parameter: nn.Parameter, matrices: int) -> dict[str, Tensor]:
    if matrices:
        return {"momentum_buffer": torch.zeros_like(parameter)}
    moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
    return {"step": torch.zeros((), device=parameter.device), **moments}


def _stacked(kernels: Sequence[Tensor], matrices: int) -> Tensor:
    """Stack kernels [out, in, ...] as matrices [kernels * matrices, out / matrices, ...].

    Channels come last, as in memory; the order of columns does not matter to orthogonality.
    """
    stacked = torch.stack([kernel.movedim(1, -1) for kernel in kernels])
    return stacked.view(len(kernels) * matrices, kernels[0].shape[0] // matrices, -1)


def _unstacked(stacked: Tensor, kernels: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `_stacked`."""
    shape = kernels[0].movedim(1, -1).shape
    return [kernel.movedim(-1, 1) for kernel in stacked.view(len(kernels), *shape).unbind()]
