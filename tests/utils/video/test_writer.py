"""Videos that are written: every frame, at its time, of a kind that plays everywhere."""

import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from tests.helpers import ROOT
from tests.utils.video.video_cases import (
    HEIGHT,
    WIDTH,
    frames_of,
    number_of,
    numbered,
    numbers_in,
    write_video,
)
from utils.system.signals import Stop
from utils.video.capture import VideoSource
from utils.video.open_source import open_source
from utils.video.writer import OPENCV_CODECS, check_suffix, open_writer

RATE = Fraction(30000, 1001)


@pytest.fixture
def av():
    return pytest.importorskip("av", minversion="16", reason="needs the extra video")


@pytest.fixture
def without_av(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)


def source_like(rate=RATE, size=(HEIGHT, WIDTH), path=None):
    return VideoSource("test", size, rate, None, False, path=path)


def write(path, times, source=None, complete=True):
    source = source or source_like()
    writer = open_writer(path, source)
    for number, seconds in enumerate(times):
        writer.write(numbered(number, *source.size), seconds)
    writer.close(complete)
    return path


def times_of(av, path):
    """Of each frame, and of the end of the last, in seconds."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        times = [frame.time for frame in container.decode(stream)]
        return times, float(
            stream.duration * stream.time_base
        ) if stream.duration else container.duration / 1e6


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".MP4"])
def test_h264_with_every_frame_at_the_exact_rate(av, tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", [float(k / RATE) for k in range(95)])
    assert numbers_in(path) == [*range(95)]
    times, end = times_of(av, path)
    fine = 1e-9 if suffix != ".mkv" else 1e-3  # Matroska has milliseconds
    assert times == pytest.approx([float(k / RATE) for k in range(95)], abs=fine)
    assert end == pytest.approx(float(95 / RATE), abs=fine)
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.has_b_frames is False
        if suffix != ".mkv":
            assert stream.average_rate == RATE
            assert b"moof" not in path.read_bytes()[:64], "an ordinary file, not one in fragments"


def test_times_that_vary_are_kept(av, tmp_path):
    times = [0.0, 0.04, 0.5, 0.512, 3.0]
    path = write(tmp_path / "a.mp4", times, source_like(Fraction(25)))
    written, end = times_of(av, path)
    assert written == pytest.approx(times, abs=2e-5)
    assert end == pytest.approx(3.04, abs=2e-5), "the last lasts as long as is usual"
    assert numbers_in(path) == [*range(5)]


def test_frames_that_come_at_the_same_moment_are_all_kept(av, tmp_path):
    path = write(tmp_path / "a.mp4", [0.0, 1e-7, 2e-7, 0.5, 0.5, 1.0])
    assert numbers_in(path) == [*range(6)]
    assert times_of(av, path)[0] == pytest.approx([0, 0, 0, 0.5, 0.5, 1], abs=1e-4)


def test_the_last_frame_lasts_as_long_as_in_the_source(av, tmp_path):
    path = tmp_path / "source.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = WIDTH, HEIGHT
        for number, (time, lasts) in enumerate([(0, 100), (100, 40), (140, 700)]):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            (packet,) = stream.encode(frame)
            packet.time_base = Fraction(1, 1000)
            packet.pts, packet.dts, packet.duration = time, time, lasts
            container.mux(packet)
    video = open_source(str(path), None, 0, Stop())
    assert times_of(av, path)[1] == pytest.approx(0.84)
    frames = [*video.frames]
    for complete, end in ((True, 0.84), (False, 0.14 + float(1 / video.rate))):
        writer = open_writer(tmp_path / "a.mp4", video)
        for seconds, image in frames:
            writer.write(image, seconds)
        writer.close(complete)
        assert times_of(av, tmp_path / "a.mp4")[1] == pytest.approx(end, abs=1e-3)


def test_odd_sides_get_one_row_or_column_more(av, tmp_path):
    path = write(tmp_path / "a.mp4", [0.0, 0.1], source_like(size=(95, 161)))
    _, frames = frames_of(path)
    assert frames[0].shape == (96, 162, 3) and [number_of(frame) for frame in frames] == [0, 1]
    assert np.abs(frames[0][95].astype(int) - frames[0][94]).max() < 12


def test_colours_stay(av, tmp_path):
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128), (250, 250, 20)]
    source = source_like(Fraction(25), (64, 64))
    writer = open_writer(tmp_path / "a.mp4", source)
    for number, colour in enumerate(colours):
        writer.write(np.full((64, 64, 3), colour, np.uint8), number / 25)
    writer.close(True)
    for frame, colour in zip(frames_of(tmp_path / "a.mp4")[1], colours, strict=True):
        assert frame[32, 32] == pytest.approx(colour, abs=6)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == 1, "players need not guess"


def write_with_sound(av, path, seconds, codec="aac"):
    """25 frames a second, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = WIDTH, HEIGHT
        sound = container.add_stream(codec, rate=48000)
        sound.bit_rate = 64000
        for number in range(round(25 * seconds)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        wave = np.sin(np.arange(round(48000 * seconds)) / 20).astype(np.float32) * 0.5
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate = 48000
        resampler = av.AudioResampler(sound.codec_context.format, "mono", 48000, frame_size=1024)
        for part in resampler.resample(frame) + resampler.resample(None):
            container.mux(sound.encode(part))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def sound_of(av, path):
    with av.open(str(path)) as container:
        return [
            (packet.time_base * packet.pts, bytes(packet))
            for packet in container.demux(audio=0)
            if packet.size
        ]


def test_sound_is_copied_and_ends_with_the_images(av, tmp_path):
    write_with_sound(av, tmp_path / "source.mp4", 4)
    video = open_source(str(tmp_path / "source.mp4"), None, 0, Stop())
    times = [seconds for seconds, _ in video.frames]
    assert len(times) == 100
    before = [packet for packet in sound_of(av, tmp_path / "source.mp4") if 0 <= packet[0] < 4]
    assert len(before) > 180
    write(tmp_path / "whole.mp4", times, video)
    assert sound_of(av, tmp_path / "whole.mp4") == before
    write(tmp_path / "half.mp4", times[:50], video, complete=False)
    half = sound_of(av, tmp_path / "half.mp4")
    assert half == before[: len(half)] and 1.95 < half[-1][0] < 2
    assert times_of(av, tmp_path / "half.mp4")[1] == pytest.approx(2)


def test_sound_that_mp4_cannot_hold_is_left_out(av, tmp_path):
    write_with_sound(av, tmp_path / "source.avi", 1, "wmav2")
    video = open_source(str(tmp_path / "source.avi"), None, 0, Stop())
    write(tmp_path / "a.mp4", [seconds for seconds, _ in video.frames], video)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio
    assert numbers_in(tmp_path / "a.mp4") == [*range(25)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_program_that_is_killed_leaves_a_file_that_plays(av, tmp_path, suffix):
    code = f"""
import os, signal
from fractions import Fraction
from pathlib import Path
from tests.utils.video.video_cases import numbered
from utils.video.capture import VideoSource
from utils.video.writer import open_writer
writer = open_writer(Path("a{suffix}"), VideoSource("test", (96, 160), Fraction(25), None, False))
for number in range(200):
    writer.write(numbered(number), number / 25)
os.kill(os.getpid(), signal.{"SIGKILL" if sys.platform != "win32" else "SIGTERM"})
"""
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False, timeout=100
    )
    assert done.returncode == -signal.SIGKILL
    numbers = numbers_in(tmp_path / f"a{suffix}")
    assert numbers == [*range(len(numbers))] and len(numbers) >= 100, "all but the last seconds"


@pytest.mark.parametrize("suffix", [*OPENCV_CODECS])
def test_without_pyav_opencv_writes(without_av, tmp_path, capsys, suffix):
    rate = Fraction(25, 2)
    path = write(tmp_path / f"a{suffix}", [float(k / rate) for k in range(40)], source_like(rate))
    fps, frames = frames_of(path)
    assert fps == pytest.approx(12.5, rel=1e-3) and [number_of(frame) for frame in frames] == [*range(40)]
    noted = 'pip install "av>=16", or save as .webm' in capsys.readouterr().out
    assert noted is (suffix in (".mp4", ".mov", ".mkv"))


def test_a_full_disk_is_noticed(av, small_disk):
    rng = np.random.default_rng(0)
    (small_disk / "filler").write_bytes(bytes(15_000_000))
    writer = open_writer(small_disk / "a.mp4", source_like(size=(480, 640)))
    with pytest.raises(OSError, match="No space left"):
        for number in range(100):
            writer.write(rng.integers(0, 256, (480, 640, 3), np.uint8), number / 25)
    with pytest.raises(OSError, match="No space left"):
        writer.close(False)


def test_a_full_disk_is_noticed_without_pyav(without_av, small_disk):
    rng = np.random.default_rng(0)
    writer = open_writer(small_disk / "a.avi", source_like(size=(480, 640)))
    (small_disk / "filler").write_bytes(bytes(15_000_000))
    for number in range(50):
        writer.write(rng.integers(0, 256, (480, 640, 3), np.uint8), number / 25)
    with pytest.raises(OSError, match="is the disk full"):
        writer.close(True)


def test_an_unknown_kind_of_video(tmp_path):
    for suffix in OPENCV_CODECS:
        check_suffix(tmp_path / f"a{suffix.upper()}")
    with pytest.raises(ValueError, match=r"--save: videos are written as \.mp4, .*, not '\.gif'"):
        check_suffix(tmp_path / "out.gif")


def test_what_is_measured_can_be_read(tmp_path):
    """The reading of numbers, on which the other tests rely, sees what is lost, doubled or swapped."""
    images = [numbered(k) for k in (0, 1, 3, 3, 5, 4)]
    assert numbers_in(write_video(tmp_path / "a.avi", images)) == [0, 1, 3, 3, 5, 4]
