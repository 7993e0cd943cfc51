"""Evaluation: detections and ground truth to VOC and COCO metrics; reading and writing results."""

from utils.evaluate.evaluator import Metrics, evaluate

__all__ = ["Metrics", "evaluate"]
