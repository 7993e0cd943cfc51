"""Evaluation: detections and ground truth to VOC and COCO metrics; reading and writing results."""
