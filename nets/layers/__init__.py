"""Convolution blocks, and layer fusion for inference."""
