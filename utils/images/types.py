"""Type aliases of images and their sizes."""

import numpy as np

Image = np.ndarray  # uint8 RGB [H, W, 3]
Size = tuple[int, int]  # height and width in pixels
