"""Convolution blocks, and fusing their layers for inference."""
