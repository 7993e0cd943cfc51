"""Lines of JSON, and files that appear when they are whole."""

import json

import numpy as np
import pytest

from tests.utils.video.video_cases import detections
from utils.system.signals import Stopped
from utils.video.output import appearing, check_free, frame_line, lines_to, unfinished
from utils.video.tracking import Tracked

NAMES = ("cat", "鱼")


def test_a_line_says_all_that_is_known():
    found = detections([[1, 2, 11, 22], [0, 0, 5.5, 5]], [1, 0], [0.75, 0.5])
    plain = frame_line(3, 0.1234567, Tracked(found), NAMES)
    assert "鱼" in plain and "\n" not in plain
    assert json.loads(plain) == {
        "frame": 3,
        "seconds": 0.123457,
        "detections": [
            {"category": "鱼", "bbox": [1, 2, 10, 20], "score": 0.75},
            {"category": "cat", "bbox": [0, 0, 5.5, 5], "score": 0.5},
        ],
    }
    tracked = Tracked(found, np.array([7, -1]), {"in": {"cat": 1}, "out": {}}, {"cat": 2})
    line = json.loads(frame_line(3, 0.1, tracked, NAMES))
    assert [detection["track"] for detection in line["detections"]] == [7, None]
    assert line["crossed"] == {"in": {"cat": 1}, "out": {}} and line["in_zone"] == {"cat": 2}


def test_lines_are_there_at_once_and_the_name_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    with lines_to(path) as lines:
        lines.write("鱼\n")
        assert unfinished(path).read_text("utf-8") == "鱼\n" and not path.exists()
    assert path.read_bytes() == "鱼\n".encode() and [*path.parent.iterdir()] == [path]
    with lines_to(None) as lines:
        assert lines is None


def test_a_full_disk_leaves_what_there_is_and_a_defect_nothing(tmp_path):
    path = tmp_path / "a.mp4"
    with (
        pytest.raises(
            Stopped, match=r"a\.mp4 could not be completed .*; the part written is .*a\.tmp\.mp4"
        ) as stopped,
        appearing(path) as beside,
    ):
        beside.write_text("half")
        raise OSError(28, "No space left on device")
    assert stopped.value.exit_status == 1 and beside.read_text() == "half" and not path.exists()
    with pytest.raises(ZeroDivisionError), appearing(path) as beside:
        raise ZeroDivisionError
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(KeyboardInterrupt), appearing(path) as beside:
        beside.write_text("hours of work")
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == [beside]


def test_the_disk_fills_while_lines_are_written(small_disk):
    with pytest.raises(Stopped, match="No space left"), lines_to(small_disk / "a.jsonl") as lines:
        for _ in range(200):
            lines.write("x" * 10**6 + "\n")


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "a.mp4"
    check_free(path, False, "--save")
    unfinished(path).touch()
    with pytest.raises(ValueError, match=r"a\.tmp\.mp4 is left from a run that was killed: .*--overwrite"):
        check_free(path, False, "--save")
    path.touch()
    with pytest.raises(ValueError, match=r"--save: .*a\.mp4 exists: .*--overwrite"):
        check_free(path, False, "--save")
    check_free(path, True, "--save")
