"""Data augmentation: settings, the plan of a sample, placement, colour and flips, copy-paste."""
