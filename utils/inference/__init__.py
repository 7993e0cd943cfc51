"""Inference: from images to detections by a network or an exported model; NMS; fused and 16-bit weights."""
