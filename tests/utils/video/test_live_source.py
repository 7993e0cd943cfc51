"""Streams that break off and come back, and that are faster than the network."""

import threading
import time

import numpy as np
import pytest

from tests.utils.video.stream_server import stream_server
from tests.utils.video.video_cases import number_of, numbered
from utils.system.signals import Stop
from utils.video import live_source as video_live
from utils.video.live_source import live_source
from utils.video.open_source import open_source


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(video_live, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(video_live, "MAX_DELAY", 0.15)


class Camera:
    """Stands for OpenCV's reader: gives these frames at once, then waits until it is closed."""

    def __init__(self, frames, closed=None):
        self.frames, self.closed = list(frames), closed or threading.Event()
        self.released = False

    def get(self, _):
        return 25.0

    def read(self):
        if self.frames:
            return True, self.frames.pop(0)
        self.closed.wait(20)
        return False, None

    def release(self):
        self.released = True


def test_a_stream_that_is_cut_twice_goes_on_without_a_frame_lost_or_doubled(capsys):
    with stream_server(20, 15, 25) as server:
        video = open_source(server.address, None, 2, Stop())
        frames = [*video.frames]
        assert [number_of(image) for _, image in frames] == [*range(60)] == [*range(server.number)]
        assert server.requests == 5, "three that gave frames, two that failed at the end"
    seconds = [seconds for seconds, _ in frames]
    assert seconds == sorted(seconds) and seconds[0] < 0.5
    assert video.live and video.total is None and video.dropped == 0
    output = capsys.readouterr().out
    assert output.count("connected again") == 2 and "secret" not in output + video.name
    assert "reconnecting in 0.05 s (1 of 2)" in output and "reconnecting in 0.1 s (2 of 2)" in output
    assert len(video.problems) == 1 and "2 attempts to reconnect failed" in video.problems[0]


def test_no_attempt_if_none_is_wanted():
    with stream_server(4, 4) as server:
        video = open_source(server.address, None, 0, Stop())
        assert len([*video.frames]) == 4
        assert server.requests == 1


def test_waits_double_up_to_the_longest(capsys, monkeypatch):
    monkeypatch.setattr(video_live, "open_capture", lambda source: None)
    camera = Camera([])
    camera.closed.set()
    assert len([*live_source("0", camera, numbered(0), 4, Stop()).frames]) == 1
    output = capsys.readouterr().out
    assert [line.split(" in ")[1].split(" s ")[0] for line in output.splitlines()] == [
        "0.05",
        "0.1",
        "0.15",
        "0.15",
    ]


def test_another_size_after_a_cut_fits_into_the_first(monkeypatch):
    again = Camera([np.full((96, 40, 3), 200, np.uint8)])
    again.closed.set()
    monkeypatch.setattr(video_live, "open_capture", lambda source: again)
    first = Camera([])
    first.closed.set()
    video = live_source("0", first, np.full((48, 80, 3), 200, np.uint8), 1, Stop())
    images = video.frames
    (_, before), (_, after) = next(images), next(images)
    assert before.shape == after.shape == (48, 80, 3)
    assert after[:, 30:50].min() == 200 and after[:, :30].max() == after[:, 50:].max() == 0
    images.close()
    assert first.released and again.released


def test_colours_are_rgb():
    camera = Camera([])
    blue = np.zeros((48, 80, 3), np.uint8)
    blue[..., 0] = 255  # OpenCV's order
    video = live_source("0", camera, blue, 0, Stop())
    assert next(video.frames)[1][0, 0].tolist() == [0, 0, 255]
    camera.closed.set()
    video.frames.close()


def test_old_frames_are_dropped_where_newer_ones_wait(monkeypatch):
    monkeypatch.setattr(video_live, "MAX_LAG_SECONDS", 0.2)
    camera = Camera([numbered(k) for k in range(1, 10)])
    video = live_source("0", camera, numbered(0), 0, Stop())
    images = video.frames
    assert number_of(next(images)[1]) == 0
    time.sleep(0.4)  # the network takes longer than the lag that is allowed
    assert number_of(next(images)[1]) == 9, "the newest is never dropped"
    assert video.dropped == 8
    camera.closed.set()
    assert [*images] == []


def test_a_burst_is_worked_off_whole():
    camera = Camera([numbered(k) for k in range(1, 60)])
    camera.closed.set()
    video = live_source("0", camera, numbered(0), 0, Stop())
    assert [number_of(image) for _, image in video.frames] == [*range(60)] and video.dropped == 0


def test_frames_beyond_the_memory_are_dropped(monkeypatch):
    monkeypatch.setattr(video_live, "MAX_WAITING_BYTES", 3 * numbered(0).nbytes)
    camera = Camera([numbered(k) for k in range(1, 10)])
    video = live_source("0", camera, numbered(0), 0, Stop())
    images = video.frames
    next(images)
    time.sleep(0.2)
    camera.closed.set()
    rest = [number_of(image) for _, image in images]
    assert len(rest) + video.dropped == 9 and len(rest) <= 4 and rest == sorted(rest)


def test_stop_ends_the_waiting_for_a_silent_camera():
    camera, stop = Camera([]), Stop()
    video = live_source("0", camera, numbered(0), 5, stop)
    next(video.frames)
    stop.signal.number = 2
    threading.Timer(0.2, camera.closed.set).start()
    assert next(video.frames, None) is None
    assert camera.released
