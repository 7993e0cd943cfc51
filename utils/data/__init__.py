"""The data model: dataset index, detections, padded targets and class names."""
