"""Inspection of a network: summary, receptive field and stages."""
