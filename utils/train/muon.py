"""Muon: the momentum of a matrix is made orthogonal before it becomes a step; all else gets AdamW.

Muon: https://kellerjordan.github.io/posts/muon/
the size of its step: Muon is Scalable for LLM Training, https://arxiv.org/abs/2502.16982 (section 2.2)
AdamW: https://arxiv.org/abs/1711.05101

torch.optim.Muon takes two-dimensional parameters alone, one by one, and cannot leave out a step.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from utils.system.device import supports_bf16

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # steep at 0, so that small singular values grow soon
ADAMW_SIZE = 0.2  # the root mean square of AdamW's steps at a rate of 1: Muon's then suit the same rate


class Muon(torch.optim.Optimizer):
    """One optimizer for all parameters of a network.

    A group's key "matrices" says how many matrices each of its kernels [out, in, ...] is: one, or as many as
    a convolution has groups. 0 stands for AdamW, whose first beta is `momentum` too. Weight decay is
    decoupled in both.

    Like the fused optimizers of torch it looks at its attributes `found_inf`, which leaves the step out where
    it is 1, and `grad_scale`, which gradients are divided by, without waiting for the device.
    """

    grad_scale: Tensor | None
    found_inf: Tensor | None

    def __init__(
        self, groups: Iterable[dict[str, Any]], lr: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        # "fused" makes `load_state_dict` put the count of AdamW's steps on the device.
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "matrices": 0,
            "fused": True,
        }
        super().__init__(groups, defaults)
        self._step_supports_amp_scaling = True  # what GradScaler asks for before it sets the two attributes
        for group in self.param_groups:
            for parameter in group["params"]:  # now, not in the first step, which may be left out
                self.state[parameter] = _fresh_state(parameter, group["matrices"])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change the parameters that have gradients."""
        assert closure is None, "the gradients are there before the step"
        scale, bad = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            if not group["matrices"]:
                self._adamw_step(group, parameters, scale, bad)
                continue
            alike = defaultdict(list)
            for parameter in parameters:
                alike[parameter.shape].append(parameter)
            for kernels in alike.values():
                self._muon_step(group, kernels, scale, bad)

    def _adamw_step(
        self, group: dict[str, Any], parameters: list[nn.Parameter], scale: Tensor | None, bad: Tensor | None
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
            grad_scale=scale,
            found_inf=bad,
            amsgrad=False,
            beta1=group["momentum"],
            beta2=0.999,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )

    def _muon_step(
        self, group: dict[str, Any], kernels: list[nn.Parameter], scale: Tensor | None, bad: Tensor | None
    ) -> None:
        """For kernels of one shape, at once."""
        buffers = [self.state[kernel]["momentum_buffer"] for kernel in kernels]
        matrices = group["matrices"]
        weights, momentum = _stacked(kernels, matrices), _stacked(buffers, matrices)
        gradient = _stacked([kernel.grad for kernel in kernels if kernel.grad is not None], matrices)
        if scale is not None:
            gradient = gradient / scale
        moved = momentum.lerp(gradient, 1 - group["momentum"])
        direction = orthogonalised(gradient.lerp(moved, group["momentum"]))  # looking ahead, as Nesterov does
        size = group["lr"] * ADAMW_SIZE * math.sqrt(max(direction.shape[-2:]))
        changed = weights * (1 - group["lr"] * group["weight_decay"]) - size * direction
        if bad is not None:
            moved, changed = torch.where(bad > 0, momentum, moved), torch.where(bad > 0, weights, changed)
        torch._foreach_copy_([*kernels], _apart(changed, kernels))
        torch._foreach_copy_(buffers, _apart(moved, kernels))


def orthogonalised(matrices: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Nearly U V^T of each matrix U S V^T [N, rows, columns], by five steps of Newton-Schulz.

    Singular values of .002 to 1 times the Frobenius norm come out between .68 and 1.21, smaller ones up to
    485 times as large. `dtype` is what is multiplied in, by default bfloat16 where the device has it; the
    result is float32.
    """
    if dtype is None:
        dtype = torch.bfloat16 if supports_bf16(matrices.device) else torch.float32
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = (x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-30)).to(dtype)
    for _ in range(STEPS):
        gram = x @ x.mT  # the smaller of the two that there are
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


def _fresh_state(parameter: nn.Parameter, matrices: int) -> dict[str, Tensor]:
    if matrices:
        return {"momentum_buffer": torch.zeros_like(parameter)}
    moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
    return {"step": torch.zeros((), device=parameter.device), **moments}


def _stacked(kernels: Sequence[Tensor], matrices: int) -> Tensor:
    """Kernels [out, in, ...] as matrices [kernels * matrices, out / matrices, ...].

    Channels come last, as they lie in memory; for orthogonality the order of columns is all the same.
    """
    stacked = torch.stack([kernel.movedim(1, -1) for kernel in kernels])
    return stacked.view(len(kernels) * matrices, kernels[0].shape[0] // matrices, -1)


def _apart(stacked: Tensor, kernels: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `_stacked`."""
    shape = kernels[0].movedim(1, -1).shape
    return [kernel.movedim(-1, 1) for kernel in stacked.view(len(kernels), *shape).unbind()]
