"""What a sum of losses is divided by, alike in all processes that train together."""

import torch
from torch import Tensor, distributed


def mean_count(count: Tensor) -> Tensor:
    """The mean over all processes of what each has counted in its part of the batch, at least one in all.

    Gradients are averaged over the processes. Divided by this, they are those of one process that has the
    whole batch: the mean of sum / mean_count is the sum of all / the count of all. Without gradients, in
    evaluation, each process has batches of its own.
    """
    together = torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized()
    if not together:
        return count.clamp(min=1)
    total = count.detach().clone()
    distributed.all_reduce(total)
    return total.clamp(min=1) / distributed.get_world_size()
