"""Type aliases of the data model: boxes, labels, images and sizes."""

import numpy as np

from utils.images.types import Image, Size

__all__ = ["Boxes", "Image", "Labels", "Size"]

Boxes = np.ndarray  # float [N, 4], xyxy in pixels
Labels = np.ndarray  # int64 [N], 0-based
