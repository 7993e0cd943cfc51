"""What a sum of losses is divided by, alike in all processes that train together."""

import torch
from torch import Tensor, distributed


@torch.no_grad()
def mean_count(count: Tensor) -> Tensor:
    """The mean over all processes of what each has counted in its part of the batch, at least one in all.

    Gradients are averaged over the processes. Divided by this, they are those of one process that has the
    whole batch: the mean of sum / mean_count is the sum of all / the count of all.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return count.clamp(min=1)
    total = count.clone()
    distributed.all_reduce(total)
    return total.clamp(min=1) / distributed.get_world_size()
