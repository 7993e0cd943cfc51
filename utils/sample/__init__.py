"""The sample data set, drawn where the user has no data yet, and the settings of a run on it."""
