"""Training: the training step and its parts, from the optimizer and EMA to phases and schedules."""
