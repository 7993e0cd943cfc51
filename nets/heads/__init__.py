"""Heads: features to raw outputs, and raw outputs to boxes and scores."""
