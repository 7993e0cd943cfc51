"""Image files and uint8 RGB arrays: reading, writing, headers, letterbox, image sources."""
