"""Checkpoints and weights files: reading them, loading by name and shape, and reporting what was loaded."""
