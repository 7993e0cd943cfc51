"""Cameras and streams: frames that come by themselves, over a connection that may break off.

A thread reads all the time, so that what is shown is never older than the few frames that may wait: while so
many do, new ones are passed over, and counted. The time of a frame is when it came.
"""

import threading
import time
from collections.abc import Generator
from queue import Empty, SimpleQueue

import cv2
import numpy as np

from utils.pipeline import Stop
from utils.video_capture import (
    ANSWER_SECONDS,
    Stamped,
    VideoSource,
    fitted,
    open_capture,
    rate_of,
    say,
    without_password,
)

WAITING_FRAMES = 8  # what is shown is at most so many frames old, and those that the threads have
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
    thread = threading.Thread(target=reader.read_on, name="camera", daemon=True)
    thread.start()
    try:
        while not stop:
            try:
                item = reader.waiting.get(timeout=0.1)
            except Empty:
                continue
            if item is None:
                return
            yield item[0], fitted(cv2.cvtColor(item[1], cv2.COLOR_BGR2RGB), video.size)
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
        self.left = threading.Event()

    def read_on(self) -> None:
        """Until nobody wants more, or the source is gone for good."""
        start = time.perf_counter()
        picture: np.ndarray | None = self.first
        while picture is not None and not self.left.is_set():
            if self.waiting.qsize() < WAITING_FRAMES:
                self.waiting.put((time.perf_counter() - start, picture))
            else:
                self.video.passed_over += 1
            there, picture = self.capture.read()
            if not there and not self.left.is_set():
                picture = self._again()
        self.capture.release()
        self.waiting.put(None)

    def _again(self) -> np.ndarray | None:
        """The first frame after the connection was made again; None if it could not be."""
        name, wait, broken = self.video.name, FIRST_WAIT, time.perf_counter()
        for attempt in range(1, self.reconnect + 1):
            self.capture.release()
            say(f"{name} broke off; trying again in {wait:g} s ({attempt} of {self.reconnect})")
            if self.left.wait(wait):
                return None
            wait = min(2 * wait, LONGEST_WAIT)
            if (capture := open_capture(self.source)) is None:
                continue
            self.capture = capture
            there, picture = capture.read()
            if there:
                say(f"{name} is there again after {time.perf_counter() - broken:.0f} s")
                return picture
        self.video.faults.append(f"{name} broke off, and {self.reconnect} attempts to reach it again failed")
        return None
