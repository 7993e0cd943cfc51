"""Reads cameras and streams, and reconnects when the connection is lost.

A thread reads continuously. Frames that have waited for over a second are dropped, and counted, if there are
newer ones, so that the result never lags further behind. The time of a frame is its time of arrival.
"""

import threading
import time
from collections.abc import Generator
from queue import Empty, SimpleQueue

import cv2
from tqdm import tqdm

from utils.data.types import Image
from utils.system.signals import Stop
from utils.video.capture import (
    TIMEOUT_SECONDS,
    TimedImage,
    VideoSource,
    fitted,
    next_frame,
    open_capture,
    rate_of,
    without_password,
)

MAX_LAG_SECONDS = 1.0  # the initial burst of frames of a stream is processed in less
MAX_WAITING_BYTES = 2**28  # a second of 1080p at 30 frames per second is 190 MB
FIRST_DELAY, MAX_DELAY = 1.0, 30.0  # seconds before reconnecting, doubled after each failed attempt


def live_source(
    source: str, capture: cv2.VideoCapture, first: Image, reconnect: int, stop: Stop
) -> VideoSource:
    """Return the video of an open camera or stream; `first` is the first frame, BGR, which has been read.

    The video ends with `stop`. After a lost connection, up to `reconnect` attempts in a row to reconnect are
    made, after delays of 1, 2, 4, ... 30 seconds.
    """
    size = first.shape[0], first.shape[1]
    video = VideoSource(without_password(source), size, rate_of(capture), None, True)
    video.frames = _frames(video, _Reader(source, capture, first, reconnect, video), stop)
    return video


def _frames(video: VideoSource, reader: "_Reader", stop: Stop) -> Generator[TimedImage, None, None]:
    late = 0
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
            if reader.seconds() - seconds > MAX_LAG_SECONDS and not reader.waiting.empty():
                late += 1
            else:
                yield seconds, fitted(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), video.size)
            video.dropped = late + reader.overflowed
    finally:
        reader.closed.set()
        thread.join(TIMEOUT_SECONDS + 1)


class _Reader:
    """A reader for a separate thread; puts each frame with its time into `waiting`, and None at the end."""

    def __init__(
        self,
        source: str,
        capture: cv2.VideoCapture,
        first: Image,
        reconnect: int,
        video: VideoSource,
    ) -> None:
        self.source, self.capture, self.first = source, capture, first
        self.reconnect, self.video = reconnect, video
        self.waiting: SimpleQueue[TimedImage | None] = SimpleQueue()
        self.max_waiting = max(2, MAX_WAITING_BYTES // first.nbytes)
        self.overflowed = 0
        self.closed = threading.Event()
        self.start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the first frame."""
        return time.perf_counter() - self.start

    def read_on(self) -> None:
        """Read until `closed` is set or the source is lost for good."""
        image: Image | None = self.first
        while image is not None and not self.closed.is_set():
            if self.waiting.qsize() < self.max_waiting:
                self.waiting.put((self.seconds(), image))
            else:
                self.overflowed += 1
            image, _ = next_frame(self.capture)  # a damaged frame is no lost connection
            if image is None and not self.closed.is_set():
                image = self._reconnected()
        self.capture.release()
        self.waiting.put(None)

    def _reconnected(self) -> Image | None:
        """Try to reconnect; return the first frame after it, or None if that failed."""
        name, delay, lost = self.video.name, FIRST_DELAY, self.seconds()
        for attempt in range(1, self.reconnect + 1):
            self.capture.release()
            tqdm.write(
                f"{name}: connection lost; reconnecting in {delay:g} s ({attempt} of {self.reconnect})"
            )
            if self.closed.wait(delay):
                return None
            delay = min(2 * delay, MAX_DELAY)
            self.capture = open_capture(self.source) or self.capture
            image, _ = next_frame(self.capture)
            if image is not None:
                tqdm.write(f"{name}: connected again after {self.seconds() - lost:.0f} s")
                return image
        self.video.problems.append(
            f"{name}: connection lost, and {self.reconnect} attempts to reconnect failed"
        )
        return None
