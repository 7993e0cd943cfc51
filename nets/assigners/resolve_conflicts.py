"""Resolves conflicts of label assignment: a cell that several objects claim goes to one of them."""

import torch
from torch import Tensor


def resolve_conflicts(
    claim: Tensor, chosen: Tensor, cell: Tensor, num_cells: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Assign each cell to the object with the highest claim, the first of equals, for a whole batch at once.

    claim   [B, M, K], how strongly each of M objects claims each of its K cells
    chosen  bool [B, M, K], whether it claims the cell at all
    cell    int64 [B, M, K], indices of the cells

    Returns which cells are positive, bool [B, num_cells]; their objects, int64 [B, num_cells], 0 where not
    positive; and which claims have won, bool [B, M, K].
    """
    batch, objects, most = cell.shape
    number = torch.arange(objects, device=cell.device).repeat_interleave(most).expand(batch, -1)
    cell, chosen = cell.flatten(1), chosen.flatten(1)
    claim = torch.where(chosen, claim.flatten(1), -torch.inf)
    highest = claim.new_full((batch, num_cells), -torch.inf).scatter_reduce(1, cell, claim, "amax")
    best = chosen & (claim >= highest.gather(1, cell))
    owner = number.new_full((batch, num_cells), objects)
    owner = owner.scatter_reduce(1, cell, torch.where(best, number, objects), "amin")
    won = best & (number == owner.gather(1, cell))
    positive = owner < objects
    return positive, torch.where(positive, owner, 0), won.view(batch, objects, most)
