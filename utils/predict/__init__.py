"""Prediction: the Predictor and the ways to use it, with test-time augmentation, tiling and heat maps."""
