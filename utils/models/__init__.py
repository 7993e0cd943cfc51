"""Choosing a model by name and parts; its anchors and its summary."""
