"""Heads: from feature maps to raw outputs, and from raw outputs to boxes and scores."""
