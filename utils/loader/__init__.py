"""Data loading: training and evaluation datasets, samplers, worker processes, and the image cache."""
