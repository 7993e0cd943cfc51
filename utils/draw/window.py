"""Windows that show images on a display."""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from utils.data.types import Image

OPEN_WINDOW = "import cv2; cv2.namedWindow('try'); cv2.destroyAllWindows()"

TITLE = "Boxwright"
RATE_FRAMES = 30  # number of frames to average the displayed frame rate over


def require_display() -> None:
    """Raise ValueError if no window can be opened.

    Tests this in a subprocess: without a display the window system terminates the calling process.
    """
    tried = subprocess.run([sys.executable, "-c", OPEN_WINDOW], capture_output=True, check=False)
    if tried.returncode:
        raise ValueError("--show needs a display: leave it out, and look at what is saved")


def show_image(title: str, image: Image) -> None:
    """Show the image in a window until a key is pressed."""
    cv2.imshow(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    cv2.waitKey(0)
    cv2.destroyWindow(title)


class Window:
    """A window that shows frames with the frame rate."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=RATE_FRAMES)

    def show(self, image: Image) -> bool:
        """Show a frame; return False when the user presses q or closes the window."""
        self.times.append(time.perf_counter())
        shown = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if len(self.times) > 1:
            rate = (len(self.times) - 1) / (self.times[-1] - self.times[0])
            for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):  # white with a black outline
                cv2.putText(
                    shown, f"{rate:.1f} FPS", (8, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, thickness
                )
        cv2.imshow(TITLE, shown)
        pressed = cv2.waitKey(1) & 0xFF == ord("q")
        return not pressed and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1


@contextmanager
def window_if(wanted: bool) -> Iterator[Window | None]:
    """Yield a window and close it at the end if `wanted`, else yield None."""
    yield Window() if wanted else None
    if wanted:
        cv2.destroyAllWindows()
