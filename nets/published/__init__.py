"""Published weights: state dicts that others trained, under our names."""
