"""Drawing boxes, labels and text on images; palettes, thumbnails and windows."""
