"""Inference with a network or an exported model; NMS; fused and 16-bit weights."""
