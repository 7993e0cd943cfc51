"""Models chosen by name and parts, their anchors and summaries."""
