"""Analysis of an evaluation: error types, confusion, calibration, confidence intervals and label errors."""
