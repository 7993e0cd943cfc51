"""Steps whose gradients are no numbers leave no trace: neither in weights, optimizer nor statistics.

All on the device, without waiting for it: whether a step was bad is only looked at now and then.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOST_IN_A_ROW = 10  # bad steps after which the training has diverged

MOST_NAMED = 8  # images of bad steps that are named


class NonfiniteGuard:
    """Undoes what a bad step did to the statistics of BatchNorm, and tells the optimizer to leave it out.

    in_a_row  how many bad steps there were just now, on the device
    """

    def __init__(self, detector: nn.Module) -> None:
        self.parameters = [*detector.parameters()]
        self.buffers = [buffer for buffer in detector.buffers() if buffer.is_floating_point()]
        self.before: Tensor | None = None
        self.in_a_row = torch.zeros((), device=self.parameters[0].device)

    def start(self) -> None:
        """Before a step: keep the statistics as they are."""
        self.before = _flat(self.buffers) if self.buffers else None

    def is_bad(self, losses: dict[str, Tensor], with_gradients: bool) -> Tensor:
        """After the gradients are there: 1 if a loss or one of them is no finite number, else 0.

        If it is, statistics are put back.
        """
        finite = torch.isfinite(torch.stack([*losses.values()]).sum())
        if with_gradients:
            gradients = [value.grad for value in self.parameters if value.grad is not None]
            finite = finite & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        bad = 1 - finite.float()
        self.in_a_row.copy_((self.in_a_row + 1) * bad)
        if self.before is not None:
            kept = torch.where(bad > 0, self.before, _flat(self.buffers))
            torch._foreach_copy_(self.buffers, _like(kept, self.buffers))
        return bad


def skip_step(optimizer: torch.optim.Optimizer, bad: Tensor) -> None:
    """Let the optimizer's next step do nothing where `bad` is 1, as fused ones do when gradients overflow."""
    optimizer.found_inf = bad  # type: ignore[attr-defined]


def require_finite(losses: dict[str, float], step: int, learning_rate: float) -> None:
    """ValueError with the fix if the losses are no longer numbers."""
    total = sum(losses.values())
    if not -1e30 < total < 1e30:  # false for NaN too
        raise ValueError(
            f"the loss is {total} at step {step}: the training has diverged at learning rate "
            f"{learning_rate:.3g}; choose a smaller --lr, or --amp off if it was with 16-bit floats"
        )


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def _like(flat: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
