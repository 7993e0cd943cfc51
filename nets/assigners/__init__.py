"""Label assignment: which cells or anchors are positive samples, and for which object."""
