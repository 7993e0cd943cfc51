"""Reads the frames of a video file, or of a folder of images."""

import re
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import cv2

from utils.data.types import Image
from utils.images.image_io import ImageError, read_image
from utils.images.sources import find_images
from utils.video.capture import (
    TimedImage,
    VideoSource,
    fitted,
    is_stream_url,
    rate_of,
    total_of,
    without_password,
)


def require_file(source: str) -> None:
    """Raise ValueError if the file does not exist, OSError if it cannot be read."""
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"--source {source}: {path.absolute()} does not exist")
    with path.open("rb"):
        pass  # a PermissionError is clearer than a video that cannot be opened


def file_source(source: str, capture: cv2.VideoCapture, first: Image) -> VideoSource:
    """Return the video of an open file; `first` is the first frame, BGR, which has been read."""
    height, width = first.shape[:2]
    path = None if is_stream_url(source) else Path(source)
    video = VideoSource(
        without_password(source), (height, width), rate_of(capture), total_of(capture), False, path=path
    )
    video.frames = _file_frames(video, capture, first)
    return video


def _file_frames(
    video: VideoSource, capture: cv2.VideoCapture, image: Image
) -> Generator[TimedImage, None, None]:
    """Yield all frames. OpenCV scales frames of a different size to the size of the first.

    Where the times of a file do not increase (raw streams, some AVI), the previous interval is repeated.
    """
    ok, number, seconds, step = True, 0, 0.0, float(1 / video.rate)
    start = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    while ok:
        yield seconds, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        number += 1
        ok, image = capture.read()
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - start
        if stamp > seconds:
            step = stamp - seconds
        seconds = stamp if stamp > seconds else seconds + step
    capture.release()
    if video.total is not None and _is_truncated(number, seconds, video.total, video.rate):
        video.problems.append(
            f"{video.name} is truncated: only {number} of its {video.total} frames could be read"
        )


def _is_truncated(number: int, seconds: float, total: int, rate: Fraction) -> bool:
    """Return whether frame count and duration both fall short of the header by over a second or 10 %.

    A header may overstate one of the two: with a variable rate, or with audio longer than the video.
    """
    least = 1 - min(0.1, float(rate) / total)
    return number < least * total and seconds < least * total / float(rate)


def folder_source(source: str, rate: Fraction) -> VideoSource:
    """Return the images of a folder or pattern as a video, sorted by the numbers in their names.

    Images that differ in size from the first are scaled to fit into its size, on black. Unreadable images are
    skipped and reported. ValueError if no image can be read.
    """
    paths = sorted(find_images([source]), key=lambda path: natural_key(str(path)))
    first = next((image for path in paths if (image := _readable(path, [])) is not None), None)
    if first is None:
        raise ValueError(f"--source {source}: none of its images can be read")
    size = first.shape[0], first.shape[1]
    video = VideoSource(source, size, rate, len(paths), False)
    video.frames = _folder_frames(video, paths)
    return video


def _folder_frames(video: VideoSource, paths: list[Path]) -> Generator[TimedImage, None, None]:
    number = 0
    for path in paths:
        if (image := _readable(path, video.problems)) is not None:
            yield float(number / video.rate), fitted(image, video.size)
            number += 1


def _readable(path: Path, problems: list[str]) -> Image | None:
    try:
        return read_image(path)
    except ImageError as error:
        problems.append(f"skipped: {error}")
        return None


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]
