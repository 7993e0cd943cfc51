"""Convolution blocks, and fusing them for inference."""
