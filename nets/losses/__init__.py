"""Losses: from raw outputs and targets to the components of the loss."""
