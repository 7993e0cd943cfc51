"""An open video: its properties and its frames.

OpenCV reads the frames, not PyAV: OpenCV is needed anyway, supports the cameras of every system, rotates
phone videos upright, gives the exact time of each frame, and its wheels contain no code under the GPL.
"""

import glob
import os
import re
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2

from utils.data.types import Image, Size
from utils.images.letterbox import letterbox

FALLBACK_RATE = Fraction(25)  # frames per second if unknown: cameras, some streams, folders
TIMEOUT_SECONDS = 10  # for a server that does not respond
DECODING_THREADS = max(1, (os.cpu_count() or 1) // 2)  # the network and the encoder need cores too

MAX_FAILED_READS = 10_000  # in a row; at the end of a file, so many take 20 ms

TimedImage = tuple[float, Image]  # seconds since the first frame, and the frame


@dataclass
class VideoSource:
    """An open video.

    name      name for messages
    size      height and width of the frames
    rate      frames per second; the header's value if the rate is variable
    total     expected number of frames; None if unknown
    live      whether it is a camera or stream, whose frames are lost if they are not read in time
    frames    frames with their times; can be iterated once
    problems  problems while reading, one sentence each
    path      path of a file that may have audio, else None
    dropped   number of frames of a live source dropped because processing was too slow
    truncated whether the file ended before its end
    """

    name: str
    size: Size
    rate: Fraction
    total: int | None
    live: bool
    frames: Generator[TimedImage, None, None] = field(init=False)
    problems: list[str] = field(default_factory=list)
    path: Path | None = None
    dropped: int = 0
    truncated: bool = False


def open_capture(source: str) -> cv2.VideoCapture | None:
    """Open a camera (by its number), a file or a URL with OpenCV; None if it cannot be opened.

    FFmpeg and OpenCV are kept from writing to the console: the caller reports errors in one sentence.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read by OpenCV when it opens the first video
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if is_camera(source):
        capture = cv2.VideoCapture(int(source))
    else:
        timeout = 1000 * TIMEOUT_SECONDS
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout]
        options += [cv2.CAP_PROP_N_THREADS, DECODING_THREADS]
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
    return capture if capture.isOpened() else None


def is_camera(source: str) -> bool:
    """Return whether the source is the number of a camera."""
    return source.isdecimal()


def is_stream_url(source: str) -> bool:
    """Return whether the source is the URL of a stream, or of a video on a server."""
    return "://" in source


def without_password(source: str) -> str:
    """Return the source without user name and password in the URL, for messages."""
    return re.sub(r"//[^/\s]*@", "//", source)


def rate_of(capture: cv2.VideoCapture) -> Fraction:
    """Return the frame rate as a fraction, such as 30000/1001, from OpenCV's decimal number."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not 0 < rate < 1000:
        return FALLBACK_RATE
    return Fraction(rate).limit_denominator(1001)


def total_of(capture: cv2.VideoCapture) -> int | None:
    """Return the number of frames by the file's header; None if unknown, as for an endless stream."""
    total = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(total) if 0 < total < 2**40 else None


def duration_of(capture: cv2.VideoCapture) -> float | None:
    """Return the duration by the file's header in seconds; None if unknown."""
    total, rate = total_of(capture), capture.get(cv2.CAP_PROP_FPS)
    return total / rate if total is not None and rate > 0 else None


def next_frame(capture: cv2.VideoCapture) -> tuple[Image | None, int]:
    """Return the next frame (BGR) that can be decoded, and how many could not be before it; None at the end.

    OpenCV fails once for each damaged packet, and without end after the last one.
    """
    start = time.perf_counter()
    for failed in range(MAX_FAILED_READS):
        ok, image = capture.read()
        if ok:
            return image, failed
        if time.perf_counter() - start > TIMEOUT_SECONDS / 2:  # a server that does not respond
            break
    return None, 0


def fitted(image: Image, size: Size) -> Image:
    """Return the image scaled to fit into `size` at the same aspect ratio, centred on black."""
    return letterbox(image, size, pad_value=0, centred=True)[0]


def is_images(source: str) -> bool:
    """Return whether the source is a folder of images, or a pattern of file names."""
    if is_stream_url(source):
        return False  # though it may contain a question mark
    return Path(source).is_dir() or (glob.has_magic(source) and not Path(source).exists())
