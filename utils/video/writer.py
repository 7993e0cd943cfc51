"""Writes videos that play everywhere: H.264 in MP4, with PyAV if it is installed.

OpenCV's wheels have no H.264 encoder, write at a constant frame rate and without audio, and leave an
unplayable file when the program is killed. PyAV has none of these limits, but its wheels contain libx264 and
libx265, which are under the GPL, so it is optional: `pip install "av>=16"`. Without PyAV, OpenCV writes MP4
with MPEG-4 part 2, which players support and browsers do not, or WebM with VP8, which browsers support.
"""

import importlib.util
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
from tqdm import tqdm

from utils.data.types import Image, Size
from utils.video.audio import Audio, open_audio
from utils.video.capture import VideoSource

if TYPE_CHECKING:
    import av

ENCODERS = (
    "libx264",
    "libopenh264",
    "h264_videotoolbox",
    "h264_mf",
)  # in order of preference
X264 = {"preset": "veryfast", "crf": "21"}  # 1.5 ms for 768 x 432; "medium" takes 3.5 ms for a similar file
OLDEST_PYAV = 16  # frames have durations since 15
BITS_PER_PIXEL = 0.15  # for encoders without x264's constant quality
MAX_GOP = 250  # frames, for files whose header states far too high a frame rate
KEYFRAME_SECONDS = 2  # interval of the points where players can start, and of the fragments saved
MIN_TICKS = 90_000  # minimum clock ticks per second: MPEG's clock
H264_SUFFIXES = (".mp4", ".mov", ".mkv")
OPENCV_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
FRAME_DURATION = 1 << 8  # FFmpeg's flag: frames have durations
BT709 = 1  # FFmpeg's number of HD's colour space, stored in the file so that players need not guess


class VideoWriter(Protocol):
    """A writer of frames, in order, into a video file."""

    def write(self, image: Image, seconds: float) -> None:
        """Add a frame that is shown `seconds` after the first."""

    def close(self, complete: bool) -> None:
        """Finish the file; `complete`: whether the source was read to the end."""


def check_suffix(path: Path) -> None:
    """Raise ValueError for a file format that cannot be written."""
    if path.suffix.lower() not in OPENCV_CODECS:
        raise ValueError(f"--save: videos are written as {', '.join(OPENCV_CODECS)}, not '{path.suffix}'")


def open_writer(path: Path, source: VideoSource) -> VideoWriter:
    """Return a writer for the frames of `source`; odd sizes are padded to even ones."""
    suffix = path.suffix.lower()
    if suffix in H264_SUFFIXES and (encoder := _h264_encoder()):
        return H264Writer(path, encoder, source)
    if suffix in H264_SUFFIXES:
        tqdm.write(
            "note: browsers will not play this video, and it has no audio: "
            'pip install "av>=16", or save as .webm'
        )
    return OpenCvWriter(path, source)


def _h264_encoder() -> str | None:
    """Return the first available encoder; None without PyAV, or if PyAV is too old."""
    if importlib.util.find_spec("av") is None:
        return None
    import av

    if int(av.__version__.split(".")[0]) < OLDEST_PYAV:
        return None
    return next((name for name in ENCODERS if name in av.codecs_available), None)


class H264Writer:
    """A writer of H.264 with the frame times and the audio of the source.

    MP4 is written in fragments, so that it plays even if the program is killed, and is turned into an
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
        # A frame lasts a whole number of ticks, so that equal durations stay equal, and ticks are short, so
        # that unequal durations are accurate.
        numerator = source.rate.numerator
        self.tick = Fraction(1, numerator * -(-MIN_TICKS // numerator))
        self.usual = 1 / source.rate
        self.earliest = 0
        self.colours = VideoReformatter()  # made once: its tables take 4 ms
        height, width = _even(source.size)
        self._set_up(self.video.codec_context, height, width, source.rate)
        self.audio: Audio | None = open_audio(self.container, source.path) if source.path else None
        self.waiting: tuple[av.VideoFrame, float] | None = None  # a frame lasts until the next one

    def _set_up(self, codec: Any, height: int, width: int, rate: Fraction) -> None:
        codec.height, codec.width, codec.pix_fmt = height, width, "yuv420p"
        codec.time_base = self.tick
        codec.max_b_frames = 0  # they delay the start of fragmented MP4; without, files are 10 % larger
        codec.gop_size = max(1, min(MAX_GOP, round(KEYFRAME_SECONDS * rate)))
        codec.thread_count = max(1, (os.cpu_count() or 1) // 2)  # the network and the decoder need cores too
        codec.flags |= FRAME_DURATION
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.bit_rate = 0 if codec.name == "libx264" else round(BITS_PER_PIXEL * height * width * rate)

    def write(self, image: Image, seconds: float) -> None:
        """See `VideoWriter`."""
        import av

        if self.waiting is not None:
            self._encode(*self.waiting, until=seconds)
        frame = av.VideoFrame.from_ndarray(_with_even_sides(image), format="rgb24")
        self.waiting = self.colours.reformat(frame, format="yuv420p", dst_colorspace=BT709), seconds

    def _encode(self, frame: "av.VideoFrame", seconds: float, until: float) -> None:
        frame.time_base = self.tick
        frame.pts = self.earliest = max(self.earliest, round(seconds / self.tick))
        self.earliest += 1  # so that frames of a stream's initial burst get different times
        frame.duration = max(1, round(until / self.tick) - frame.pts)
        if self.audio is not None:
            self.audio.copy_until(seconds)
        self.container.mux(self.video.encode(frame))

    def close(self, complete: bool) -> None:
        """See `VideoWriter`."""
        try:
            if self.waiting is not None:
                frame, seconds = self.waiting
                end = seconds + float(self.usual)
                if complete and self.audio is not None and self.audio.video_ends > seconds:
                    end = self.audio.video_ends
                self._encode(frame, seconds, until=end)
                if self.audio is not None:
                    self.audio.copy_until(end)
            self.container.mux(self.video.encode(None))
        finally:
            self.container.close()
            if self.audio is not None:
                self.audio.close()


class OpenCvWriter:
    """A writer of what OpenCV's wheels can encode, at a constant frame rate."""

    def __init__(self, path: Path, source: VideoSource) -> None:
        height, width = _even(source.size)
        codec = cv2.VideoWriter.fourcc(*OPENCV_CODECS[path.suffix.lower()])
        self.path, self.frames = path, 0
        self.writer = cv2.VideoWriter(str(path), codec, float(source.rate), (width, height))
        if not self.writer.isOpened():
            raise OSError("OpenCV cannot write it here")

    def write(self, image: Image, seconds: float) -> None:
        """See `VideoWriter`."""
        self.writer.write(cv2.cvtColor(_with_even_sides(image), cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self, complete: bool) -> None:
        """Finish the file, and count its frames, since OpenCV does not report a full disk."""
        self.writer.release()
        capture = cv2.VideoCapture(str(self.path))
        if self.frames and capture.get(cv2.CAP_PROP_FRAME_COUNT) < 0.9 * self.frames:
            raise OSError("is the disk full?")
        capture.release()


def _even(size: Size) -> Size:
    """Return the size with odd sides increased by 1, since colour pixels of yuv420p are 2 x 2."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _with_even_sides(image: Image) -> Image:
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
