"""Label assignment: which cell or anchor learns which object."""
