"""What is behind the metrics: error types, confusion, calibration, intervals and label errors."""
