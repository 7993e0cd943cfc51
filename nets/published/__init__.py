"""Published weights: converts the state dicts of other projects to our names."""
