"""Reads the frames of a video file, or of a folder of images."""

import re
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2

from utils.data.types import Image
from utils.images.image_io import ImageError, read_image
from utils.images.sources import find_images
from utils.video.capture import (
    TimedImage,
    VideoSource,
    duration_of,
    fitted,
    is_stream_url,
    next_frame,
    rate_of,
    total_of,
    without_password,
)
from utils.video.container import is_cut_off, states_frame_count

MAX_RATE = 1000  # frames per second; more is the tick of a clock, and says nothing about the number of frames


def require_file(source: str) -> None:
    """Raise ValueError if the file does not exist, OSError if it cannot be read."""
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"--source {source}: {path.absolute()} does not exist")
    with path.open("rb"):
        pass  # a PermissionError is clearer than a video that cannot be opened


class Header(NamedTuple):
    """The length of a video by its header, None where unknown; `counts`: whether it counts the frames.

    A number of frames that is not counted is the duration times the nominal rate.
    """

    total: int | None
    duration: float | None
    counts: bool


def file_source(source: str, capture: cv2.VideoCapture, first: Image) -> VideoSource:
    """Return the video of an open file; `first` is the first frame, BGR, which has been read."""
    height, width = first.shape[:2]
    path = None if is_stream_url(source) else Path(source)
    header = Header(total_of(capture), duration_of(capture), path is None or states_frame_count(path))
    likely = header.counts or capture.get(cv2.CAP_PROP_FPS) < MAX_RATE
    video = VideoSource(
        without_password(source),
        (height, width),
        rate_of(capture),
        header.total if likely else None,
        False,
        path=path,
    )
    video.frames = _file_frames(video, capture, first, header)
    return video


def _file_frames(
    video: VideoSource, capture: cv2.VideoCapture, first: Image, header: Header
) -> Generator[TimedImage, None, None]:
    """Yield all frames that can be decoded. OpenCV scales frames of another size to the size of the first.

    Where the times of a file do not increase (raw streams, some AVI), the previous interval is repeated.
    """
    image: Image | None = first
    number, lost, seconds, step = 0, 0, 0.0, float(1 / video.rate)
    start = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    while image is not None:
        yield seconds, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        number += 1
        image, failed = next_frame(capture)
        lost += failed
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - start
        if stamp > seconds:
            step = (stamp - seconds) / (1 + failed)
        seconds = stamp if stamp > seconds else seconds + step * (1 + failed)
    capture.release()
    if _is_truncated(video.path, header, number, seconds):
        video.truncated = True
        whole = f"{header.total} frames" if header.counts else f"{header.duration:.1f} seconds"
        part = number if header.counts else f"{seconds:.1f}"
        video.problems.append(f"{video.name} is truncated: only {part} of its {whole} could be read")
    elif lost and header.counts:
        lost = max(lost, (header.total or 0) - number)
    if lost:
        video.problems.append(f"{video.name} is damaged: {lost} frames could not be decoded, {number} could")


def _is_truncated(path: Path | None, header: Header, number: int, seconds: float) -> bool:
    """Return whether the frames end over a second or 10 % before the header says, and some are missing.

    A header may overstate the duration, for instance by audio that is longer than the video. So frames are
    missing only if by their counted number as many are, or if the file is shorter than it says.

    number   frames decoded
    seconds  end of the last frame
    """
    if not header.duration:
        return False
    least = 1 - min(0.1, 1 / header.duration)
    if seconds >= least * header.duration:
        return False
    if header.counts:
        return number < least * (header.total or 0)
    return path is not None and is_cut_off(path)


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
