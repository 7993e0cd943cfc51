"""A model by its name: its parts, its anchors and its summary."""
