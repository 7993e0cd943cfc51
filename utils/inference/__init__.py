"""Inference: a network or an exported model to detections, with NMS and fused or 16-bit weights."""
