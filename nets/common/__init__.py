"""Code that all networks share: the detector, its inputs and outputs, preprocessing and box arithmetic."""
