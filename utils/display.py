"""Windows on a display, where there is one."""

import subprocess
import sys

import cv2
import numpy as np

TRY = "import cv2; cv2.namedWindow('try'); cv2.destroyAllWindows()"


def require_display() -> None:
    """ValueError where no window can be opened.

    It is tried by another process, for without a display the one that tries is ended by the window system.
    """
    tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, check=False)
    if tried.returncode:
        raise ValueError("--show needs a display: leave it out, and look at what is saved")


def show_image(title: str, image: np.ndarray) -> None:
    """Show the RGB picture in a window until a key is pressed."""
    cv2.imshow(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    cv2.waitKey(0)
    cv2.destroyWindow(title)
