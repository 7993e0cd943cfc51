"""Backbones: image to features."""
