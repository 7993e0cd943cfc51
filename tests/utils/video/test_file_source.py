"""The frames of files and folders: all of them, upright, at their times."""

import shutil
import struct
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tests.utils.video.video_cases import HEIGHT, WIDTH, number_of, numbered, write_video
from utils.images.image_io import save_image
from utils.system.signals import Stop
from utils.video.capture import is_camera, is_images, is_stream_url, rate_of, without_password
from utils.video.file_source import natural_key
from utils.video.open_source import open_source


def opened(source, fps=None):
    return open_source(str(source), fps, 0, Stop())


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mp4v"), (".avi", "MJPG"), (".mkv", "MJPG")])
@pytest.mark.parametrize("rate", [12.0, 30000 / 1001])
def test_every_frame_with_its_time(tmp_path, suffix, codec, rate):
    video = opened(write_video(tmp_path / f"街 a{suffix}", 25, rate, codec))
    assert video.size == (HEIGHT, WIDTH) and not video.live
    assert float(video.rate) == pytest.approx(rate, rel=1e-3)
    frames = [*video.frames]
    assert [number_of(image) for _, image in frames] == [*range(25)]
    # Matroska and AVI round to milliseconds or to the rate.
    assert [seconds for seconds, _ in frames] == pytest.approx([k / rate for k in range(25)], abs=2e-3)
    assert not video.problems


@pytest.mark.parametrize(
    ("decimal", "rate"),
    [
        (29.97002997002997, Fraction(30000, 1001)),
        (23.976023976023978, Fraction(24000, 1001)),
        (29.833333333333332, Fraction(179, 6)),
        (12.5, Fraction(25, 2)),
        (0.0, Fraction(25)),
        (180000.0, Fraction(25)),
        (float("nan"), Fraction(25)),
    ],
)
def test_the_rate_is_the_fraction_it_is(decimal, rate):
    assert rate_of(SimpleNamespace(get={cv2.CAP_PROP_FPS: decimal}.get)) == rate


def test_frames_without_times_follow_at_the_rate(tmp_path):
    """A raw stream: frames, and nothing else."""
    with (tmp_path / "raw.mjpeg").open("wb") as file:
        for k in range(6):
            file.write(cv2.imencode(".jpg", numbered(k))[1].tobytes())
    frames = [*opened(tmp_path / "raw.mjpeg").frames]
    assert [number_of(image) for _, image in frames] == [*range(6)]
    assert [seconds for seconds, _ in frames] == pytest.approx([k / 25 for k in range(6)])


def test_times_that_vary_are_kept(tmp_path):
    av = pytest.importorskip("av", reason="needs the extra video")
    times = [0, 40, 80, 500, 520, 900]
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.codec_context.time_base = WIDTH, HEIGHT, Fraction(1, 1000)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = [*opened(tmp_path / "a.mp4").frames]
    assert [number_of(image) for _, image in frames] == [*range(6)]
    assert [seconds for seconds, _ in frames] == pytest.approx([time / 1000 for time in times], abs=1e-4)


def test_the_videos_of_phones_are_turned_upright(tmp_path):
    """The matrix of the track says: turn by 90 degrees to the right."""
    rotated = np.zeros((64, 96, 3), np.uint8)
    rotated[:32, :48] = 255  # upper left is white; turned to the right, upper right is
    write_video(tmp_path / "a.mp4", [rotated] * 3, codec="mp4v")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # after its version, times, id, duration, layer and volume
    assert struct.unpack(">9i", data[start : start + 36])[:5] == (1 << 16, 0, 0, 0, 1 << 16)
    data[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(data)
    video = opened(tmp_path / "a.mp4")
    (_, image), *_ = video.frames
    assert video.size == image.shape[:2] == (96, 64)
    assert image[20, 50].min() > 200 and max(image[20, 10].max(), image[80, 50].max()) < 60


def test_a_video_that_is_cut_off_says_so_at_its_end(tmp_path):
    path = write_video(tmp_path / "a.avi", 40)
    path.write_bytes(b"00dc".join(path.read_bytes().split(b"00dc")[:25]))  # headers, index, 23 frames
    video = opened(path)
    assert [number_of(image) for _, image in video.frames] == [*range(23)]
    (problem,) = video.problems
    assert f"{path} is truncated: only 23 of its 40 frames" in problem


def test_a_cut_video_without_a_count_says_so_in_seconds(tmp_path):
    path = write_video(tmp_path / "a.mkv", 40, 12.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = opened(path)
    number = len([*video.frames])
    (problem,) = video.problems
    assert f"is truncated: only {number / 12:.1f} of its 3.3 seconds" in problem and video.truncated


def test_a_nominal_rate_of_1000_is_no_number_of_frames(tmp_path):
    """As browsers and screen recorders write: frames at irregular times, and a clock of milliseconds."""
    av = pytest.importorskip("av")
    times = np.cumsum([0, *[16, 50, 33, 66] * 6]).tolist()
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=1000)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(k), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    video = opened(tmp_path / "a.webm")
    assert [seconds for seconds, _ in video.frames] == pytest.approx([time / 1000 for time in times])
    assert not video.problems and video.total is None


def damaged(path, frames=40, bad=(5, 6, 20)):
    """A video of which some JPEG frames are zeros."""
    write_video(path, frames)
    content = bytearray(path.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xd8"]
    assert len(starts) == frames
    for k in bad:
        content[starts[k] : starts[k] + 200] = bytes(200)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_frames_that_cannot_be_decoded_are_passed_over_and_counted(tmp_path, suffix):
    video = opened(damaged(tmp_path / f"a{suffix}"))
    frames = [*video.frames]
    kept = [k for k in range(40) if k not in (5, 6, 20)]
    assert [number_of(image) for _, image in frames] == kept
    assert [seconds for seconds, _ in frames] == pytest.approx([k / 12 for k in kept], abs=2e-3)
    (problem,) = video.problems
    assert "is damaged: 3 frames could not be decoded, 37 could" in problem and not video.truncated


def test_a_damaged_first_frame(tmp_path):
    video = opened(damaged(tmp_path / "a.avi", bad=(0,)))
    assert [number_of(image) for _, image in video.frames] == [*range(1, 40)]


def test_what_is_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"--source .*text\.mp4: it cannot be opened as a video"):
        opened(tmp_path / "text.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"empty\.mp4: it cannot be opened as a video"):
        opened(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match=r"--source gone\.mp4: .*gone\.mp4 does not exist"):
        opened("gone.mp4")
    with pytest.raises(ValueError, match="--source 77: there is no such camera"):
        opened("77")


def test_a_video_without_frames(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.avi", 1)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"00dc")])  # up to the only frame
    with pytest.raises(ValueError, match="it cannot be opened as a video"):
        opened(path)
    empty = SimpleNamespace(read=lambda: (False, None))
    monkeypatch.setattr("utils.video.open_source.open_capture", lambda source: empty)
    with pytest.raises(ValueError, match="it opens, but contains no frame"):
        opened(path)


def test_a_folder_in_the_order_of_its_numbers(tmp_path):
    for k in (0, 1, 2, 9, 10, 11):
        save_image(tmp_path / "frames" / f"f{k}.png", numbered(k))
    video = opened(tmp_path / "frames", fps=12.5)
    frames = [*video.frames]
    assert [number_of(image) for _, image in frames] == [0, 1, 2, 9, 10, 11]
    assert [seconds for seconds, _ in frames] == [k / 12.5 for k in range(6)]
    assert (video.rate, video.total, video.live) == (Fraction(25, 2), 6, False)
    pattern = [*opened(tmp_path / "frames" / "f1*.png").frames]
    assert [number_of(image) for _, image in pattern] == [1, 10, 11]


def test_images_that_differ_fit_into_the_first_and_broken_ones_are_named(tmp_path):
    save_image(tmp_path / "f1.png", np.full((40, 60, 3), 200, np.uint8))
    save_image(tmp_path / "f2.png", np.full((120, 60, 3), 200, np.uint8))
    (tmp_path / "f3.png").write_bytes(b"")
    shutil.copy(tmp_path / "f1.png", tmp_path / "f4.png")
    video = opened(tmp_path)
    (_, first), (_, tall), (seconds, last) = video.frames
    assert first.shape == tall.shape == last.shape == (40, 60, 3) and first.min() == 200
    # 120 x 60 becomes 40 x 20, in the middle.
    assert tall[:, 20:40].min() == 200 and tall[:, :20].max() == tall[:, 40:].max() == 0
    assert seconds == 2 / 25, "the one after the broken one follows at once"
    assert len(video.problems) == 1 and "f3.png: the file is empty" in video.problems[0]


def test_a_folder_without_an_image_that_can_be_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="none of its images can be read"):
        opened(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match="contains no image"):
        opened(tmp_path)


def test_what_a_source_is(tmp_path):
    (tmp_path / "a[1].mp4").touch()
    assert is_images(str(tmp_path)) and is_images(str(tmp_path / "f*.png"))
    assert not is_images(str(tmp_path / "a[1].mp4"))
    assert is_stream_url("rtsp://cam/?channel=1") and not is_images("rtsp://cam/?channel=1")
    assert is_camera("0") and not is_camera("0.mp4") and not is_camera("-1")
    assert without_password("rtsp://me:pass@word@cam/x?a=b@c") == "rtsp://cam/x?a=b@c"
    assert without_password("rtsp://cam/x") == "rtsp://cam/x"


def test_numbers_sort_by_value():
    assert sorted(["f10", "f9", "f09b", "e11"], key=natural_key) == ["e11", "f9", "f09b", "f10"]
