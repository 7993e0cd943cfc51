"""Conflict resolution in label assignment: a cell claimed by several objects is assigned to one of them."""

import torch
from torch import Tensor


def resolve_conflicts(
    claim: Tensor, chosen: Tensor, cell: Tensor, num_cells: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Assign each cell to the object with the highest claim, the first on ties, for the whole batch at once.

    claim   [B, M, K], strength of the claim of each of M objects to each of its K cells
    chosen  bool [B, M, K], mask of the claims to consider
    cell    int64 [B, M, K], indices of the claimed cells

    Returns a mask of the positive cells, bool [B, num_cells]; the index of each cell's object, int64 [B,
    num_cells], 0 for negative cells; and a mask of the winning claims, bool [B, M, K].
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
