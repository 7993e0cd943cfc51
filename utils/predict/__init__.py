"""Prediction: the Predictor, test-time augmentation, tiling, heat maps, and saving of the results."""

from utils.predict.predictor import Predictor

__all__ = ["Predictor"]
