"""The sound of a video, copied as it is into the video that is written."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av


class Sound:
    """Packets of the source's first sound track that go into `output` as the images go on.

    video_ends  seconds from the first frame to the end of the last, as the source says; 0 if it does not
    """

    def __init__(self, output: "av.container.OutputContainer", source: "av.container.InputContainer") -> None:
        self.output, self.source = output, source
        images, sound = source.streams.video[0], next(iter(source.streams.audio), None)
        tick = images.time_base or Fraction(1)
        self.start = (images.start_time or 0) * tick
        self.video_ends = float((images.duration or 0) * tick)
        self.packets: Iterator[av.Packet] = iter(())
        self.next: av.Packet | None = None
        if sound is not None and sound.codec_context.codec.canonical_name in output.supported_codecs:
            self.stream = output.add_stream_from_template(sound)
            self.packets = source.demux(sound)
            self._take()

    def _take(self) -> None:
        self.next = next((packet for packet in self.packets if packet.pts is not None), None)

    def copy_until(self, seconds: float) -> None:
        """Write the packets that begin before so many seconds after the first frame."""
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
        """Let go of the source."""
        self.source.close()


def open_sound(output: "av.container.OutputContainer", path: Path) -> Sound | None:
    """The sound of the file at `path`; None where PyAV cannot open it, though OpenCV could."""
    import av

    try:
        source = av.open(str(path))
    except (av.FFmpegError, OSError):
        return None
    if not source.streams.video:
        source.close()
        return None
    return Sound(output, source)
