"""Data augmentation: settings, sample plans, placement, colour changes and flips, copy-paste."""
