"""The sample data set of synthetic images, for users without data, and settings to train on it."""
