"""Cameras and streams: frames that come by themselves, over a connection that may break off.

A thread reads all the time, and frames that have waited for a second are passed over, and counted, if there
are newer ones: what is shown never lags further behind. The time of a frame is when it came.
"""

import threading
import time
from collections.abc import Generator
from queue import Empty, SimpleQueue

import cv2
import numpy as np

from utils.system.pipeline import Stop
from utils.video.capture import (
    ANSWER_SECONDS,
    Stamped,
    VideoSource,
    fitted,
    open_capture,
    rate_of,
    say,
    without_password,
)

LAG_SECONDS = 1.0  # a burst of frames, as a stream begins with, is worked off in less
WAITING_BYTES = 2**28  # of frames: a second of them is 190 MB in 1080p, at 30 a second
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds before a connection is tried again, doubled each time


def live_source(
    source: str, capture: cv2.VideoCapture, first: np.ndarray, reconnect: int, stop: Stop
) -> VideoSource:
    """The frames of a camera or stream, of which `first` has been read, until `stop`.

    When it breaks off it is opened again, up to `reconnect` times in a row, after 1, 2, 4, ... 30 seconds.
    """
    size = first.shape[0], first.shape[1]
    video = VideoSource(without_password(source), size, rate_of(capture), None, True)
    video.images = _images(video, _Reader(source, capture, first, reconnect, video), stop)
    return video


def _images(video: VideoSource, reader: "_Reader", stop: Stop) -> Generator[Stamped, None, None]:
    stale = 0
    thread = threading.Thread(target=reader.read_on, name="camera", daemon=True)
    thread.start()
    try:
        while not stop.wanted:
            try:
                item = reader.waiting.get(timeout=0.1)
            except Empty:
                continue
            if item is None:
                return
            seconds, image = item
            if reader.seconds() - seconds > LAG_SECONDS and not reader.waiting.empty():
                stale += 1
            else:
                yield seconds, fitted(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), video.size)
            video.passed_over = stale + reader.too_many
    finally:
        reader.left.set()
        thread.join(ANSWER_SECONDS + 1)


class _Reader:
    """Reads in a thread of its own. `waiting` gets each frame with its time, and None at the end."""

    def __init__(
        self,
        source: str,
        capture: cv2.VideoCapture,
        first: np.ndarray,
        reconnect: int,
        video: VideoSource,
    ) -> None:
        self.source, self.capture, self.first = source, capture, first
        self.reconnect, self.video = reconnect, video
        self.waiting: SimpleQueue[Stamped | None] = SimpleQueue()
        self.most = max(2, WAITING_BYTES // first.nbytes)
        self.too_many = 0
        self.left = threading.Event()
        self.start = time.perf_counter()

    def seconds(self) -> float:
        """Since the first frame."""
        return time.perf_counter() - self.start

    def read_on(self) -> None:
        """Until nobody wants more, or the source is gone for good."""
        there, image = True, self.first
        while there and not self.left.is_set():
            if self.waiting.qsize() < self.most:
                self.waiting.put((self.seconds(), image))
            else:
                self.too_many += 1
            there, image = self.capture.read()
            if not there and not self.left.is_set():
                there, image = self._again()
        self.capture.release()
        self.waiting.put(None)

    def _again(self) -> tuple[bool, np.ndarray]:
        """Whether the connection could be made again, and the first frame then."""
        name, wait, broken = self.video.name, FIRST_WAIT, self.seconds()
        for attempt in range(1, self.reconnect + 1):
            self.capture.release()
            say(f"{name} broke off; trying again in {wait:g} s ({attempt} of {self.reconnect})")
            if self.left.wait(wait):
                return False, self.first
            wait = min(2 * wait, LONGEST_WAIT)
            self.capture = open_capture(self.source) or self.capture
            there, image = self.capture.read()
            if there:
                say(f"{name} is there again after {self.seconds() - broken:.0f} s")
                return True, image
        self.video.faults.append(f"{name} broke off, and {self.reconnect} attempts to reach it again failed")
        return False, self.first
