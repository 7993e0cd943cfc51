"""The data model: data set index, detections, padded targets and class names."""
