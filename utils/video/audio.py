"""Copies the audio of a video unchanged into the output video."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av


class Audio:
    """The source's first audio stream, copied into `output` packet by packet along with the frames.

    video_ends  end of the last frame, in seconds after the first, by the source's header; 0 if unknown
    """

    def __init__(self, output: "av.container.OutputContainer", source: "av.container.InputContainer") -> None:
        self.output, self.source = output, source
        video, audio = source.streams.video[0], next(iter(source.streams.audio), None)
        tick = video.time_base or Fraction(1)
        self.start = (video.start_time or 0) * tick
        self.video_ends = float((video.duration or 0) * tick)
        self.packets: Iterator[av.Packet] = iter(())
        self.next: av.Packet | None = None
        if audio is not None and audio.codec_context.codec.canonical_name in output.supported_codecs:
            self.stream = output.add_stream_from_template(audio)
            self.packets = source.demux(audio)
            self._take()

    def _take(self) -> None:
        self.next = next((packet for packet in self.packets if packet.pts is not None), None)

    def copy_until(self, seconds: float) -> None:
        """Write the packets that begin before `seconds` after the first frame."""
        while (packet := self.next) is not None and packet.pts is not None:
            begins = packet.pts * packet.time_base - self.start
            if begins >= seconds:
                return
            packet.pts = packet.dts = round(begins / packet.time_base)
            packet.stream = self.stream
            if begins >= 0:
                self.output.mux(packet)
            self._take()

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def open_audio(output: "av.container.OutputContainer", path: Path) -> Audio | None:
    """Open the audio of the file at `path`; None if PyAV cannot open the file, even if OpenCV can."""
    import av

    try:
        source = av.open(str(path))
    except (av.FFmpegError, OSError):
        return None
    if not source.streams.video:
        source.close()
        return None
    return Audio(output, source)
