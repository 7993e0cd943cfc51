"""A training run: the loop over epochs, its folder, resuming, logging and evaluation."""
