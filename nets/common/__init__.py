"""What every network shares: the detector, its inputs and outputs, preprocessing and box arithmetic."""
