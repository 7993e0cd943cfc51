"""Image files to uint8 RGB arrays and back: reading, writing, headers, letterbox, sources."""
