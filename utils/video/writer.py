"""Writing a video that plays everywhere: H.264 in MP4, by PyAV where it is installed.

OpenCV's wheels have no H.264 encoder, write at one constant rate, take no sound, and leave a file that
nothing plays when the program is killed. PyAV does all of it, but its wheels carry libx264 and libx265, which
are under the GPL, so that it stays an extra: `pip install "av>=16"`. Without it OpenCV writes MP4 with MPEG-4
part 2, which players know and browsers do not, or WebM with VP8, which browsers know.
"""

import importlib.util
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from utils.video.audio import Sound, open_sound
from utils.video.capture import VideoSource, say

if TYPE_CHECKING:
    import av

ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf")  # the best that the FFmpeg has
X264 = {"preset": "veryfast", "crf": "21"}  # 1.5 ms for 768 x 432, "medium" 3.5 ms for a like file
OLDEST_PYAV = 16  # frames have durations from 15 on
BITS_PER_PIXEL = 0.15  # for encoders without x264's constant quality
LONGEST_GOP = 250  # frames, for files that name a rate far above theirs
KEY_SECONDS = 2  # a player can start, and a killed program has saved, every so many seconds
FINEST = 90_000  # ticks a second, at least; the clock of MPEG
CONTAINERS = (".mp4", ".mov", ".mkv")  # of H.264
CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}  # OpenCV's
FRAME_DURATION = 1 << 8  # FFmpeg's flag: how long frames are shown is known
BT709 = 1  # FFmpeg's number: the colours of HD, which the file then names, so that no player guesses


class VideoWriter(Protocol):
    """Takes frames in order, and makes them a file."""

    def write(self, image: np.ndarray, seconds: float) -> None:
        """Add an RGB uint8 frame [H, W, 3] that is shown so many seconds after the first."""

    def close(self, complete: bool) -> None:
        """Finish the file; `complete` says that the source has come to its end."""


def check_suffix(path: Path) -> None:
    """ValueError for a kind of video that is not written."""
    if path.suffix.lower() not in CODECS:
        raise ValueError(f"--save: videos are written as {', '.join(CODECS)}, not '{path.suffix}'")


def open_writer(path: Path, source: VideoSource) -> VideoWriter:
    """A writer of the frames of `source`; sides that are odd get one more row or column."""
    suffix = path.suffix.lower()
    if suffix in CONTAINERS and (encoder := _h264_encoder()):
        return H264Writer(path, encoder, source)
    if suffix in CONTAINERS:
        say(
            "note: browsers will not play this video, and it has no sound: "
            'pip install "av>=16", or save as .webm'
        )
    return OpenCvWriter(path, source)


def _h264_encoder() -> str | None:
    """The best that there is; None without PyAV, or with one too old."""
    if importlib.util.find_spec("av") is None:
        return None
    import av

    if int(av.__version__.split(".")[0]) < OLDEST_PYAV:
        return None
    return next((name for name in ENCODERS if name in av.codecs_available), None)


class H264Writer:
    """H.264 with the times of the source, and its sound.

    MP4 is written in fragments, so that what was written plays if the program is killed, and is made an
    ordinary file at the end ("hybrid").
    """

    def __init__(self, path: Path, encoder: str, source: VideoSource) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        options = {"flush_packets": "1"}
        if path.suffix.lower() != ".mkv":
            options["movflags"] = "hybrid_fragmented+frag_keyframe"
        self.container = av.open(str(path), "w", options=options)
        self.video: Any = self.container.add_stream(
            encoder, rate=source.rate, options=X264 if encoder == "libx264" else {}
        )
        # A tick is a whole part of a frame, so that equal frames stay equal, and finer than a frame, so that
        # unequal ones are met.
        numerator = source.rate.numerator
        self.tick = Fraction(1, numerator * -(-FINEST // numerator))
        self.usual = 1 / source.rate
        self.earliest = 0
        self.colours = VideoReformatter()  # its tables take 4 ms to make
        height, width = _even(source.size)
        self._set_up(self.video.codec_context, height, width, source.rate)
        self.sound: Sound | None = open_sound(self.container, source.path) if source.path else None
        self.waiting: tuple[av.VideoFrame, float] | None = None  # a frame lasts until the next comes

    def _set_up(self, codec: Any, height: int, width: int, rate: Fraction) -> None:
        codec.height, codec.width, codec.pix_fmt = height, width, "yuv420p"
        codec.time_base = self.tick
        codec.max_b_frames = 0  # else MP4 in fragments starts some frames late; files are a tenth larger
        codec.gop_size = max(1, min(LONGEST_GOP, round(KEY_SECONDS * rate)))
        codec.thread_count = max(1, (os.cpu_count() or 1) // 2)  # the network and the decoder need cores too
        codec.flags |= FRAME_DURATION
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.bit_rate = 0 if codec.name == "libx264" else round(BITS_PER_PIXEL * height * width * rate)

    def write(self, image: np.ndarray, seconds: float) -> None:
        """See `VideoWriter`."""
        import av

        if self.waiting is not None:
            self._encode(*self.waiting, until=seconds)
        frame = av.VideoFrame.from_ndarray(_with_even_sides(image), format="rgb24")
        self.waiting = self.colours.reformat(frame, format="yuv420p", dst_colorspace=BT709), seconds

    def _encode(self, frame: "av.VideoFrame", seconds: float, until: float) -> None:
        frame.time_base = self.tick
        frame.pts = self.earliest = max(self.earliest, round(seconds / self.tick))
        self.earliest += 1  # no two frames at the same time, as a burst of a stream may come
        frame.duration = max(1, round(until / self.tick) - frame.pts)
        if self.sound is not None:
            self.sound.copy_until(seconds)
        self.container.mux(self.video.encode(frame))

    def close(self, complete: bool) -> None:
        """See `VideoWriter`."""
        try:
            if self.waiting is not None:
                frame, seconds = self.waiting
                end = seconds + float(self.usual)
                if complete and self.sound is not None and self.sound.video_ends > seconds:
                    end = self.sound.video_ends
                self._encode(frame, seconds, until=end)
                if self.sound is not None:
                    self.sound.copy_until(end)
            self.container.mux(self.video.encode(None))
        finally:
            self.container.close()
            if self.sound is not None:
                self.sound.close()


class OpenCvWriter:
    """What OpenCV's own wheels can write, at a constant rate."""

    def __init__(self, path: Path, source: VideoSource) -> None:
        height, width = _even(source.size)
        codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
        self.path, self.frames = path, 0
        self.writer = cv2.VideoWriter(str(path), codec, float(source.rate), (width, height))
        if not self.writer.isOpened():
            raise OSError("OpenCV cannot write it here")

    def write(self, image: np.ndarray, seconds: float) -> None:
        """See `VideoWriter`."""
        self.writer.write(cv2.cvtColor(_with_even_sides(image), cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self, complete: bool) -> None:
        """See `VideoWriter`. OpenCV does not say that a disk is full: the file is looked at."""
        self.writer.release()
        capture = cv2.VideoCapture(str(self.path))
        if self.frames and capture.get(cv2.CAP_PROP_FRAME_COUNT) < 0.9 * self.frames:
            raise OSError("is the disk full?")
        capture.release()


def _even(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width as yuv420p needs them, whose colours are of 2 x 2 pixels."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _with_even_sides(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
