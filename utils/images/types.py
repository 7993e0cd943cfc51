"""Type aliases for images, image sizes, and file contents."""

import numpy as np

Image = np.ndarray  # uint8 RGB [H, W, 3]
Size = tuple[int, int]  # height and width in pixels
FileBytes = np.ndarray  # uint8 [N], the contents of a file


def size_of(image: Image) -> Size:
    """Return the height and width of an image."""
    return image.shape[0], image.shape[1]
