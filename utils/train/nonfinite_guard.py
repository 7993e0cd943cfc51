"""Skips steps with non-finite losses or gradients: weights, optimizer state and statistics stay as they were.

All of this happens on the device, without waiting for it; which steps were skipped is read only now and then.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NONFINITE = "bad"  # key of the skipped steps among the losses, in checkpoints too
MAX_IN_A_ROW = 10  # skipped steps, after which training counts as diverged
MAX_IMAGES_NAMED = 8  # images of skipped steps that are listed


class NonfiniteGuard:
    """Detects non-finite steps, and restores the BatchNorm statistics that they changed.

    in_a_row  number of steps skipped in a row up to now, on the device
    recent    for each step since `take_recent`: whether it was skipped, and its image numbers
    """

    def __init__(self, detector: nn.Module) -> None:
        self.parameters = [*detector.parameters()]
        self.buffers = [buffer for buffer in detector.buffers() if buffer.is_floating_point()]
        self.before: Tensor | None = None
        self.in_a_row = torch.zeros((), device=self.parameters[0].device)
        self.recent: list[tuple[Tensor, Tensor]] = []

    def start(self) -> None:
        """Save the BatchNorm statistics before a step."""
        self.before = _flat(self.buffers) if self.buffers else None

    def check(self, losses: dict[str, Tensor], image_numbers: Tensor, with_gradients: bool) -> Tensor:
        """Return 1 if a loss or gradient is non-finite, else 0; restores statistics. Call after backward."""
        finite = torch.isfinite(torch.stack([*losses.values()]).sum())
        if with_gradients:
            gradients = [value.grad for value in self.parameters if value.grad is not None]
            finite = finite & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        nonfinite = 1 - finite.float()
        self.in_a_row.copy_((self.in_a_row + 1) * nonfinite)
        if self.before is not None:
            kept = torch.where(nonfinite > 0, self.before, _flat(self.buffers))
            torch._foreach_copy_(self.buffers, _like(kept, self.buffers))
        self.recent.append((nonfinite, image_numbers))
        return nonfinite

    def take_recent(self) -> list[tuple[bool, list[int]]]:
        """Return whether each recent step was skipped, and its image numbers; waits for the device."""
        recent, self.recent = self.recent, []
        return [(bool(nonfinite), numbers.tolist()) for nonfinite, numbers in recent]


def skip_step(optimizer: torch.optim.Optimizer, nonfinite: Tensor) -> None:
    """Make the optimizer skip its next step if `nonfinite` is 1, as fused optimizers do on overflow."""
    optimizer.found_inf = nonfinite  # type: ignore[attr-defined]


def require_finite(losses: dict[str, float], step: int, learning_rate: float) -> None:
    """Raise a ValueError with the fix if the losses are not finite."""
    total = sum(losses.values())
    if not -1e30 < total < 1e30:  # false for NaN too
        raise ValueError(
            f"the loss is {total} at step {step}: the training has diverged at learning rate "
            f"{learning_rate:.3g}; choose a smaller --lr, or --amp off if it used mixed precision"
        )


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def _like(flat: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
