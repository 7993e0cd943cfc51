"""Necks: features to features."""
