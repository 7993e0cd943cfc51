"""Evaluation: VOC and COCO metrics of detections against ground truth; read and write result files."""

from utils.evaluate.evaluator import Metrics, evaluate

__all__ = ["Metrics", "evaluate"]
