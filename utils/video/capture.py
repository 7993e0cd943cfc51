"""A video that is open: what is known of it, and its frames.

OpenCV reads them, not PyAV: OpenCV is needed anyway, knows the cameras of every system, turns the videos of
phones upright, gives each frame its exact time, and its wheels hold no code under the GPL.
"""

import glob
import os
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from utils.images.letterbox import letterbox

FALLBACK_RATE = Fraction(25)  # frames a second where nobody says: cameras, some streams, folders of images
ANSWER_SECONDS = 10  # a server that says nothing for so long is gone
DECODING_THREADS = max(1, (os.cpu_count() or 1) // 2)  # the network and the encoder need cores too

Stamped = tuple[float, np.ndarray]  # seconds since the first frame, RGB uint8 [H, W, 3]


@dataclass
class VideoSource:
    """An open video.

    name    as messages call it
    size    height, width of its frames
    rate    frames a second; of a video whose rate varies, what its file says
    total   how many frames there should be; None if nobody knows
    live    whether frames come by themselves, and are gone if nobody takes them
    images  the frames with their times, once
    faults  what went wrong while they were read, a sentence each
    path    of a file that may have sound
    passed_over  frames of a live source that came while all before them were still waiting
    """

    name: str
    size: tuple[int, int]
    rate: Fraction
    total: int | None
    live: bool
    images: Generator[Stamped, None, None] = field(init=False)
    faults: list[str] = field(default_factory=list)
    path: Path | None = None
    passed_over: int = 0


def open_capture(source: str) -> cv2.VideoCapture | None:
    """OpenCV's reader of a camera (its number), a file or an address; None if it cannot be opened.

    FFmpeg and OpenCV are kept from writing to the console: what is wrong is said in one sentence elsewhere.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read by OpenCV when it opens the first video
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if is_camera(source):
        capture = cv2.VideoCapture(int(source))
    else:
        wait = 1000 * ANSWER_SECONDS
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait]
        options += [cv2.CAP_PROP_N_THREADS, DECODING_THREADS]
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
    return capture if capture.isOpened() else None


def is_camera(source: str) -> bool:
    """Whether it is the number of a camera."""
    return source.isdecimal()


def is_stream_url(source: str) -> bool:
    """Whether it is the address of a stream, or of a video on a server."""
    return "://" in source


def without_password(source: str) -> str:
    """The source as it may be printed."""
    return re.sub(r"//[^/\s]*@", "//", source)


def rate_of(capture: cv2.VideoCapture) -> Fraction:
    """The frame rate as the fraction it is, 30000/1001 for instance, of which OpenCV gives a decimal."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not 0 < rate < 1000:
        return FALLBACK_RATE
    return Fraction(rate).limit_denominator(1001)


def total_of(capture: cv2.VideoCapture) -> int | None:
    """The number of frames by the file's header; None where there is none, as of a stream that goes on."""
    number = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(number) if 0 < number < 2**40 else None


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image scaled to fit (height, width), its shape kept, in the middle of black."""
    return letterbox(image, size, pad_value=0, centred=True)[0]


def is_images(source: str) -> bool:
    """Whether the source is a folder of images, or a pattern of their names."""
    if is_stream_url(source):
        return False  # though it may have a question mark
    return Path(source).is_dir() or (glob.has_magic(source) and not Path(source).exists())


def say(text: str) -> None:
    """A line that a progress bar makes room for."""
    tqdm.write(text)
