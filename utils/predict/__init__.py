"""Prediction: the Predictor and the ways to use it, with test-time augmentation, tiling and heat maps."""

from utils.predict.predictor import Predictor

__all__ = ["Predictor"]
