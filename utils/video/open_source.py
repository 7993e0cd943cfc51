"""Opens a source of frames: a camera, a video file, a stream or a folder of images."""

from fractions import Fraction

from utils.system.signals import Stop
from utils.video.capture import (
    FALLBACK_RATE,
    VideoSource,
    is_camera,
    is_images,
    is_stream_url,
    next_frame,
    open_capture,
    total_of,
    without_password,
)
from utils.video.file_source import file_source, folder_source, require_file
from utils.video.live_source import live_source


def open_source(source: str, fps: float | None, reconnect: int, stop: Stop) -> VideoSource:
    """Open a camera by its number, a video file, a stream by its URL, or images; read one frame.

    fps        frames per second of a folder of images
    reconnect  maximum attempts in a row to restore the connection to a camera or stream

    The URL of a video with an end is treated as a file; only endless streams are live. ValueError or OSError,
    with the fix, if the source cannot be opened or has no frame.
    """
    if is_images(source):
        return folder_source(source, FALLBACK_RATE if fps is None else Fraction(fps).limit_denominator(1001))
    if not is_camera(source) and not is_stream_url(source):
        require_file(source)
    name, capture = without_password(source), open_capture(source)
    if capture is None:
        raise ValueError(f"--source {name}: {_why_not(source)}")
    first, _ = next_frame(capture)
    if first is None:
        raise ValueError(f"--source {name}: it opens, but contains no frame; is the file complete?")
    if is_camera(source) or (is_stream_url(source) and total_of(capture) is None):
        return live_source(source, capture, first, reconnect, stop)
    return file_source(source, capture, first)


def _why_not(source: str) -> str:
    if is_camera(source):
        return "there is no such camera, or another program uses it"
    if is_stream_url(source):
        return "there is no answer, or it is not a video"
    return "it cannot be opened as a video"
