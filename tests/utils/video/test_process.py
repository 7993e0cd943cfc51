"""From a source to files: frames in are frames out, whatever happens on the way."""

import json
import os
import signal
import threading

import cv2
import numpy as np
import pytest

from tests.utils.video.stream_server import stream_server
from tests.utils.video.video_cases import Finder, detections, frames_of, number_of, numbers_in, write_video
from utils.system.signals import Stop, Stopped
from utils.video import live_source as video_live
from utils.video import process as video
from utils.video.open_source import open_source
from utils.video.output import unfinished
from utils.video.process import VideoSettings, describe_speed, process_video
from utils.video.tracking import Scene

FRAMES, RATE = 47, 12.0


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("a b") / "source 源.avi", FRAMES, RATE)


def run(path, finder=None, stop=None, scene=None, **settings):
    stop = Stop() if stop is None else stop
    with stop.signal.listening():
        source = open_source(str(path), None, 1, stop)
        return process_video(finder or Finder(), source, VideoSettings(**settings), stop, scene)


@pytest.fixture
def workers():
    """A function: the threads of stages that have been started since, and still run."""

    def running():
        return {thread for thread in threading.enumerate() if "ThreadPool" in thread.name}

    before = running()
    return lambda: [*running() - before]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_frames_in_are_frames_out(path, tmp_path, suffix):
    save, finder = tmp_path / "new folder" / f"out{suffix}", Finder()
    result = run(path, finder, save=save)
    rate, frames = frames_of(save)
    assert [number_of(frame) for frame in frames] == [*range(FRAMES)] == finder.seen
    assert rate == pytest.approx(RATE, rel=1e-3)
    assert result.frames == result.objects == FRAMES
    assert list(save.parent.iterdir()) == [save]


@pytest.mark.parametrize(("every", "batch_size"), [(1, 8), (5, 1), (3, 4), (100, 2)])
def test_every_and_batches(path, tmp_path, every, batch_size):
    finder, save, lines = Finder(), tmp_path / "out.mp4", tmp_path / "out.jsonl"
    result = run(path, finder, save=save, save_json=lines, every=every, batch_size=batch_size)
    assert numbers_in(save) == [*range(FRAMES)] and finder.seen == [*range(0, FRAMES, every)]
    assert max(map(len, finder.batches)) == min(batch_size, len(finder.seen))
    assert result.objects == len(finder.seen)
    read = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert [line["frame"] for line in read] == [*range(FRAMES)]
    assert [line["seconds"] for line in read] == pytest.approx([k / RATE for k in range(FRAMES)], abs=1e-3)
    for line in read:
        (found,) = line["detections"]
        left = 20 + line["frame"] // every * every % 50
        assert found == {"category": "thing", "bbox": [left, 50, 40, 30], "score": pytest.approx(0.9)}


def test_boxes_are_drawn_where_they_are(path, tmp_path):
    run(path, save=tmp_path / "out.avi", max_frames=21)
    before, after = frames_of(path)[1][20], frames_of(tmp_path / "out.avi")[1][20]
    differs = np.abs(before.astype(int) - after).max(-1)
    assert differs[78:82, 42:78].max() > 40 and differs[85:].max() < 30 and differs[:14].max() < 30


@pytest.mark.parametrize("most", [1, 10, FRAMES, FRAMES + 9])
def test_it_stops_after_as_many_frames_as_asked_for(path, tmp_path, most):
    result = run(path, save=tmp_path / "out.mp4", max_frames=most)
    assert numbers_in(tmp_path / "out.mp4") == [*range(min(most, FRAMES))]
    assert result.frames == min(most, FRAMES)


def test_lines_alone_and_nothing_else(path, tmp_path):
    result = run(path, save_json=tmp_path / "a.jsonl")
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"] and "draw" not in result.watch.seconds


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [0, 3, 30, FRAMES - 1])
def test_a_signal_keeps_what_was_done(path, tmp_path, number, at, workers):
    def act(frame):
        if frame == at:
            os.kill(os.getpid(), number)

    stop, save, lines = Stop(), tmp_path / "out.mp4", tmp_path / "out.jsonl"
    result = run(path, Finder(act), stop, save=save, save_json=lines)
    assert stop.signal.number == number and workers() == []
    assert result.frames <= at + 1
    assert len(lines.read_text().splitlines()) == result.frames
    if result.frames:
        assert numbers_in(save) == [*range(result.frames)]
    assert [*tmp_path.iterdir()] == [lines] if not result.frames else not unfinished(save).exists()


def test_a_defect_ends_all_and_leaves_no_half_file(path, tmp_path, workers):
    def act(frame):
        if frame == 20:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(path, Finder(act), save=tmp_path / "out.mp4", save_json=tmp_path / "out.jsonl")
    assert not list(tmp_path.iterdir()) and workers() == []


def test_a_full_disk_says_so_and_leaves_what_plays(tmp_path, small_disk, workers):
    pytest.importorskip("av", reason="needs the extra video")
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(40)]
    write_video(tmp_path / "noise.avi", noise, 25)
    (small_disk / "filler").write_bytes(bytes(12_000_000))

    class Blind(Finder):
        def detect(self, images, watch=None):
            return [detections([]) for _ in images]

    with pytest.raises(Stopped, match=r"out\.mp4 could not be completed \(No space left") as stopped:
        run(tmp_path / "noise.avi", Blind(), save=small_disk / "out.mp4")
    assert stopped.value.exit_status == 1 and workers() == []
    capture = cv2.VideoCapture(str(small_disk / "out.tmp.mp4"))
    assert capture.read()[0]


def test_a_cut_video_is_kept_as_far_as_it_goes(path, tmp_path):
    cut = tmp_path / "cut.avi"
    cut.write_bytes(b"00dc".join(path.read_bytes().split(b"00dc")[:22]))  # headers, index, 20 frames
    stop = Stop()
    source = open_source(str(cut), None, 0, stop)
    result = process_video(Finder(), source, VideoSettings(save=tmp_path / "out.mp4"), stop)
    assert result.frames == 20 and len(source.problems) == 1
    assert numbers_in(tmp_path / "out.mp4") == [*range(20)]


def test_a_stream_that_is_cut_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(video_live, "FIRST_DELAY", 0.05)
    with stream_server(9, 8, 7) as server:
        result = run(server.address, save=tmp_path / "out.mp4", max_frames=24)
    assert result.frames == 24 and numbers_in(tmp_path / "out.mp4") == [*range(24)]


def test_objects_are_tracked_and_counted(path, tmp_path):
    pytest.importorskip("trackers", reason="needs the extra track")
    scene = Scene(Finder.class_names, RATE, 0.5, line=(60.5, 90, 60.5, 0))  # upwards: right is "out"
    result = run(path, scene=scene, save_json=tmp_path / "a.jsonl", save=tmp_path / "a.mp4")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert {line["detections"][0]["track"] for line in lines[2:]} == {0}
    # The middle of the box is at 40 + k, across from 21 on; after .2 s, 2 frames, that is sure.
    first = next(line["frame"] for line in lines if line["crossed"]["out"])
    assert first == 22 and result.last.crossed == {"in": {}, "out": {"thing": 1}}
    assert numbers_in(tmp_path / "a.mp4") == [*range(FRAMES)] and "track" in result.watch.seconds


def test_the_window_shows_every_frame_and_q_ends(path, tmp_path, monkeypatch):
    shown = []

    class Window:
        def show(self, image):
            shown.append(number_of(image))
            return len(shown) < 9

    monkeypatch.setattr("utils.draw.window.Window", Window)
    monkeypatch.setattr("cv2.destroyAllWindows", lambda: None)
    result = run(path, save=tmp_path / "out.mp4", show=True)
    assert shown == [*range(9)] == numbers_in(tmp_path / "out.mp4") and result.frames == 9


def test_the_speed_in_words():
    result = video.VideoResult(frames=100, seconds=2.0)
    result.watch.seconds = {
        "read": 0.5,
        "preprocess": 0.2,
        "network": 1.0,
        "NMS": 0.1,
        "draw": 0.3,
        "encode": 0.9,
    }
    assert describe_speed(result) == (
        "50.0 frames/s; milliseconds per frame: "
        "read 5.0, preprocess 2.0, network 10.0, NMS 1.0, draw 3.0, encode 9.0\n"
        "their sum 30.0, the slowest thread 13.0 (preprocess + network + NMS), in all 20.0"
    )


def test_frames_are_read_while_the_network_works(path):
    """The first detection waits until the reader has gone on by itself."""
    went_on, numbers = threading.Event(), []
    stop = Stop()
    source = open_source(str(path), None, 0, stop)
    images = source.frames

    def watched():
        for item in images:
            numbers.append(number_of(item[1]))
            if numbers[-1] == 2:
                went_on.set()
            yield item

    source.frames = watched()

    def act(frame):
        assert went_on.wait(20)

    assert process_video(Finder(act), source, VideoSettings(), stop).frames == FRAMES
