"""Opening whatever frames can come from."""

from fractions import Fraction

from utils.system.pipeline import Stop
from utils.video.capture import (
    FALLBACK_RATE,
    VideoSource,
    is_camera,
    is_images,
    is_stream_url,
    open_capture,
    total_of,
    without_password,
)
from utils.video.file_source import file_source, folder_source, require_file
from utils.video.live_source import live_source


def open_source(source: str, fps: float | None, reconnect: int, stop: Stop) -> VideoSource:
    """Open a camera by its number, a video file, a stream by its address, or images; read one frame.

    fps        frames a second of images, which do not say it
    reconnect  how often in a row a camera or stream that breaks off is tried again

    An address of a video with an end is a file; only what goes on is live. ValueError or OSError, with the
    fix, if there is no such source or no frame in it.
    """
    if is_images(source):
        return folder_source(source, FALLBACK_RATE if fps is None else Fraction(fps).limit_denominator(1001))
    if not is_camera(source) and not is_stream_url(source):
        require_file(source)
    name, capture = without_password(source), open_capture(source)
    if capture is None:
        raise ValueError(f"--source {name}: {_why_not(source)}")
    there, first = capture.read()
    if not there:
        raise ValueError(f"--source {name}: it opens, but gives no frame; is the file whole?")
    if is_camera(source) or (is_stream_url(source) and total_of(capture) is None):
        return live_source(source, capture, first, reconnect, stop)
    return file_source(source, capture, first)


def _why_not(source: str) -> str:
    if is_camera(source):
        return "there is no such camera, or another program has it"
    return (
        "nobody answers, or not with a video" if is_stream_url(source) else "it cannot be opened as a video"
    )
