"""The frames of a video file, or of a folder of images."""

import re
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from utils.images.image_io import ImageError, read_image
from utils.images.sources import find_images
from utils.video.capture import (
    Stamped,
    VideoSource,
    fitted,
    is_stream_url,
    rate_of,
    total_of,
    without_password,
)


def require_file(source: str) -> None:
    """ValueError or OSError if the source is a file that is not there or cannot be read."""
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"--source {source}: {path.absolute()} does not exist")
    with path.open("rb"):
        pass  # PermissionError says it better than a video that cannot be opened


def file_source(source: str, capture: cv2.VideoCapture, first: np.ndarray) -> VideoSource:
    """The frames of a video file, of which `first` has been read."""
    height, width = first.shape[:2]
    path = None if is_stream_url(source) else Path(source)
    video = VideoSource(
        without_password(source), (height, width), rate_of(capture), total_of(capture), False, path=path
    )
    video.images = _file_images(video, capture, first)
    return video


def _file_images(
    video: VideoSource, capture: cv2.VideoCapture, image: np.ndarray
) -> Generator[Stamped, None, None]:
    """All frames. One whose size differs comes from OpenCV in the size of the first.

    Where a file gives no times that rise (raw streams, some AVI), frames follow at the interval before.
    """
    there, number, seconds, step = True, 0, 0.0, float(1 / video.rate)
    start = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    while there:
        yield seconds, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        number += 1
        there, image = capture.read()
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - start
        if stamp > seconds:
            step = stamp - seconds
        seconds = stamp if stamp > seconds else seconds + step
    capture.release()
    if video.total is not None and _is_cut(number, seconds, video.total, video.rate):
        video.faults.append(
            f"{video.name} breaks off: {number} of its {video.total} frames could be read; is the file whole?"
        )


def _is_cut(number: int, seconds: float, total: int, rate: Fraction) -> bool:
    """Whether both frames and time are short of what the header says, by a second or by a tenth.

    Headers that guess give one of them too long, for a rate that varies or for sound that goes on.
    """
    least = 1 - min(0.1, float(rate) / total)
    return number < least * total and seconds < least * total / float(rate)


def folder_source(source: str, rate: Fraction) -> VideoSource:
    """The images of a folder or pattern as frames, in the order of the numbers in their names.

    Images of another size than the first are scaled to fit into it, on black. One that cannot be read is
    named and passed over. ValueError if there is none.
    """
    paths = sorted(find_images([source]), key=lambda path: natural_key(str(path)))
    first = next((image for path in paths if (image := _readable(path, [])) is not None), None)
    if first is None:
        raise ValueError(f"--source {source}: none of its images can be read")
    size = first.shape[0], first.shape[1]
    video = VideoSource(source, size, rate, len(paths), False)
    video.images = _folder_images(video, paths)
    return video


def _folder_images(video: VideoSource, paths: list[Path]) -> Generator[Stamped, None, None]:
    number = 0
    for path in paths:
        if (image := _readable(path, video.faults)) is not None:
            yield float(number / video.rate), fitted(image, video.size)
            number += 1


def _readable(path: Path, faults: list[str]) -> np.ndarray | None:
    try:
        return read_image(path)
    except ImageError as error:
        faults.append(f"passed over: {error}")
        return None


def natural_key(text: str) -> list[tuple[int, str]]:
    """For sorting: frame2 comes before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]
