"""Necks: from feature maps of a backbone to feature maps for a head."""
