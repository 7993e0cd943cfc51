"""Heads: feature maps to raw outputs, and raw outputs to boxes and scores."""
