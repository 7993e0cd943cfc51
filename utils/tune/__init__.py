"""Tuning: the search for training settings on the user's own data, within a budget of minutes."""
