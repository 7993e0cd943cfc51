"""Data augmentation: settings, sample plans, placement, colours and flips, copy-paste, and the user's own."""
