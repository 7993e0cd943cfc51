"""Whether windows can be shown."""

import subprocess
import sys


def require_display() -> None:
    """ValueError where no window can be opened.

    It is tried in another process: OpenCV's Qt ends the whole program where there is no display.
    """
    command = [sys.executable, "-c", "import cv2; cv2.namedWindow('Boxwright')"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise ValueError("--show needs a display: leave it out and give --save")
