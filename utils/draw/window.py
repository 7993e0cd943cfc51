"""Windows on a display, where there is one."""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

TRY = "import cv2; cv2.namedWindow('try'); cv2.destroyAllWindows()"

TITLE = "Boxwright"
RATE_FRAMES = 30  # the rate that is shown is that of so many frames


def require_display() -> None:
    """ValueError where no window can be opened.

    It is tried by another process, for without a display the one that tries is ended by the window system.
    """
    tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, check=False)
    if tried.returncode:
        raise ValueError("--show needs a display: leave it out, and look at what is saved")


def show_image(title: str, image: np.ndarray) -> None:
    """Show the RGB image in a window until a key is pressed."""
    cv2.imshow(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    cv2.waitKey(0)
    cv2.destroyWindow(title)


class Window:
    """Shows frames, with the rate at which they come."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=RATE_FRAMES)

    def show(self, image: np.ndarray) -> bool:
        """Show an RGB uint8 frame [H, W, 3]; False when the user presses q or closes the window."""
        self.times.append(time.perf_counter())
        shown = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if len(self.times) > 1:
            rate = (len(self.times) - 1) / (self.times[-1] - self.times[0])
            for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):  # white with a dark edge
                cv2.putText(
                    shown, f"{rate:.1f} FPS", (8, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, thickness
                )
        cv2.imshow(TITLE, shown)
        pressed = cv2.waitKey(1) & 0xFF == ord("q")
        return not pressed and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1


@contextmanager
def window_if(wanted: bool) -> Iterator[Window | None]:
    """A window that goes at the end; None if it is not wanted."""
    yield Window() if wanted else None
    if wanted:
        cv2.destroyAllWindows()
