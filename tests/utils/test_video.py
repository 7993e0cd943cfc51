"""Every frame of a video, at its own rate."""

import cv2
import numpy as np
import pytest

from utils.detections import Detections
from utils.video import process_video

FRAMES, FPS = 7, 12.0


class Finder:
    """Stands for a predictor: finds one box on every frame, and keeps what it was shown."""

    class_names = ("thing",)

    def __init__(self, stop_at=None):
        self.shown = []
        self.stop_at = stop_at

    def detect(self, images):
        if len(self.shown) == self.stop_at:
            raise KeyboardInterrupt
        (image,) = images
        self.shown.append(image)
        box = np.array([[8, 8, 40, 40]], np.float32)
        return [Detections(box, np.array([0.9], np.float32), np.array([0]))]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source 源.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), (200, 20 * number, 0), np.uint8))  # BGR: blue
    writer.release()
    return path


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    fps, frames = capture.get(cv2.CAP_PROP_FPS), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return fps, frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".AVI"])
def test_as_many_frames_at_the_same_rate(source, tmp_path, suffix):
    save, finder = tmp_path / "new folder" / f"out{suffix}", Finder()
    result = process_video(finder, str(source), save, show=False, max_frames=0)
    fps, frames = frames_of(save)
    assert fps == pytest.approx(FPS, rel=1e-3) and len(frames) == FRAMES == result.frames
    assert result.objects == FRAMES and frames[0].shape == (48, 64, 3)
    assert list(save.parent.iterdir()) == [save]
    # The predictor sees RGB: blue is last. The saved frames are blue too.
    assert finder.shown[0][0, 0, 2] > 150 > finder.shown[0][0, 0, 0]
    assert frames[0][47, 63, 0] > 150 > frames[0][47, 63, 2]
    # Frames follow one another: green rises.
    assert [int(f[47, 63, 1]) for f in frames] == sorted(int(f[47, 63, 1]) for f in frames)


def test_boxes_are_drawn(source, tmp_path):
    process_video(Finder(), str(source), tmp_path / "out.avi", show=False, max_frames=1)
    (before, after) = frames_of(source)[1][0], frames_of(tmp_path / "out.avi")[1][0]
    differs = np.abs(before.astype(int) - after).max(-1)
    assert differs[38:42, 20:38].max() > 40 and differs[44:, 50:].max() < 30


def test_stages_are_timed(source, tmp_path):
    result = process_video(Finder(), str(source), tmp_path / "out.avi", show=False, max_frames=0)
    seconds = result.watch.seconds
    assert list(seconds) == ["read", "detect", "draw", "write"] and min(seconds.values()) > 0


def test_it_stops_after_as_many_frames_as_asked_for(source, tmp_path):
    result = process_video(Finder(), str(source), tmp_path / "out.avi", show=False, max_frames=3)
    assert result.frames == 3 == len(frames_of(tmp_path / "out.avi")[1])


def test_ctrl_c_keeps_what_was_done(source, tmp_path, capsys):
    result = process_video(Finder(stop_at=4), str(source), tmp_path / "out.avi", show=False, max_frames=0)
    assert result.frames == 4 == len(frames_of(tmp_path / "out.avi")[1])
    assert "stopped by Ctrl+C" in capsys.readouterr().out


def test_nothing_is_written_where_nothing_is_to_be_saved(source):
    assert process_video(Finder(), str(source), None, show=False, max_frames=0).frames == FRAMES
    assert list(source.parent.iterdir()) == [source]


def test_bad_sources(tmp_path):
    with pytest.raises(ValueError, match=r"--source gone\.mp4: .*gone\.mp4 does not exist"):
        process_video(Finder(), "gone.mp4", None, False, 0)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4: it cannot be opened as a video"):
        process_video(Finder(), str(tmp_path / "text.mp4"), None, False, 0)
    with pytest.raises(ValueError, match="--source 77: there is no such camera"):
        process_video(Finder(), "77", None, False, 0)


def test_an_unknown_kind_of_video_is_refused(source, tmp_path):
    with pytest.raises(ValueError, match=r"--save: videos are written as \.mp4 or \.avi, not '\.gif'"):
        process_video(Finder(), str(source), tmp_path / "out.gif", False, 0)
    assert list(tmp_path.iterdir()) == [source]


def test_a_defect_in_between_leaves_no_half_file(source, tmp_path):
    class Breaking(Finder):
        def detect(self, images):
            if self.shown:
                raise ZeroDivisionError
            return super().detect(images)

    with pytest.raises(ZeroDivisionError):
        process_video(Breaking(), str(source), tmp_path / "out.avi", False, 0)
    assert list(tmp_path.iterdir()) == [source]
