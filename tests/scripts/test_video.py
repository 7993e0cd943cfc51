"""video.py as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers import ROOT, SHARED, needs_shared
from tests.scripts.running import accepted, refused, script
from tests.utils.video.video_cases import frames_of, numbered, numbers_in, write_video
from utils.images.image_io import save_image

FRAMES, RATE = 14, 12.0


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("a b") / "street 街.mp4", FRAMES, RATE, "mp4v")


@pytest.fixture
def weights(trained_run):
    return ["--weights", trained_run.folder / "best.pt", "--confidence", 0.15, "--device", "cpu"]


def test_a_video_with_boxes_at_the_rate_of_its_source(source, weights, tmp_path):
    done = script("video.py", "--source", source, "--save", "out/drawn.mp4", *weights, cwd=tmp_path)
    rate, frames = frames_of(tmp_path / "out" / "drawn.mp4")
    assert rate == pytest.approx(RATE) and frames[0].shape == (96, 160, 3)
    assert len(frames) == FRAMES
    assert f"confidence 0.15\n{FRAMES} frames, " in done.stdout and " frames/s; " in done.stdout
    stages = ("read", "preprocess", "network", "NMS", "draw", "encode")
    assert all(f" {stage} " in done.stdout for stage in stages)
    assert "their sum " in done.stdout and "the slowest thread " in done.stdout and "in all " in done.stdout
    assert done.stdout.splitlines()[-1] == "saved: out/drawn.mp4" and not done.stderr


def test_the_limit_of_detections_is_told_when_it_is_reached(source, weights, tmp_path, capsys):
    options = ["--max-frames", 3, "--save-json", tmp_path / "a.jsonl", "--max-detections", 1]
    output = accepted(capsys, "video.py", "--source", source, *weights, *options)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    counts = [len(line["detections"]) for line in lines]  # 0 where the best box is in the padding
    assert len(counts) == 3 and max(counts) <= 1
    assert f"3 frames, {sum(counts)} objects" in output
    assert "note: 3 frames reached the limit of 1 detections" in output


def test_lines_of_json_with_every_flag(source, weights, tmp_path, capsys):
    pytest.importorskip("trackers", reason="needs the extra track")
    flags = ["--every", 3, "--batch-size", 2, "--max-frames", 10, "--agnostic-nms", "--rectangular"]
    flags += ["--only", "key", "--class-confidence", "key=0.01", "--track"]
    flags += ["--line", 0, 48, 160, 48, "--zone", 0, 0, 160, 0, 160, 96]
    save, lines = tmp_path / "a.mkv", tmp_path / "a.jsonl"
    output = accepted(
        capsys, "video.py", "--source", source, "--save", save, "--save-json", lines, *weights, *flags
    )
    read = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert [line["frame"] for line in read] == [*range(10)]
    assert [line["seconds"] for line in read] == pytest.approx([k / RATE for k in range(10)], abs=1e-4)
    found = [line["detections"] for line in read]
    assert any(found) and {thing["category"] for things in found for thing in things} == {"key"}
    assert found[0] == found[1] == found[2] and {"track", "score", "bbox"} < {*found[0][0]}
    assert "in the zone: " in output and "crossed, in: " in output and len(frames_of(save)[1]) == 10


def test_a_folder_of_frames(weights, tmp_path, capsys):
    for k in (2, 10, 1):
        save_image(tmp_path / "frames" / f"{k}.png", numbered(k))
    flags = ["--source", tmp_path / "frames", "--fps", 5, "--save-json", tmp_path / "a.jsonl", *weights]
    accepted(capsys, "video.py", *flags)
    read = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert [line["seconds"] for line in read] == [0, 0.2, 0.4]


def test_what_is_cut_off_or_broken_ends_with_status_1(source, weights, tmp_path):
    """The rest is done, and saved."""
    save_image(tmp_path / "frames" / "1.png", numbered(1))
    (tmp_path / "frames" / "2.png").write_bytes(b"\x89PNG cut")
    flags = ["--source", "frames", "--save", "out.mp4", *weights]
    done = script("video.py", *flags, cwd=tmp_path, status=1)
    assert done.stderr.startswith("incomplete: skipped: ") and "2.png" in done.stderr
    assert "saved: out.mp4" in done.stdout and len(frames_of(tmp_path / "out.mp4")[1]) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_video_that_plays(weights, tmp_path, number, status):
    """Stopped at some frame, after the first has been written."""
    write_video(tmp_path / "long.avi", 900)
    command = [sys.executable, ROOT / "video.py", "--source", "long.avi", "--save", "out.mp4", *weights]
    command += ["--save-json", "out.jsonl", "--only", "key", "--class-confidence", "key=1"]  # no boxes
    with subprocess.Popen(
        [*map(str, command)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = tmp_path / "out.tmp.jsonl"
        deadline = time.monotonic() + 100
        while not (lines.exists() and lines.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        output, errors = process.communicate(timeout=100)
    assert process.returncode == status, output + errors
    frames = int(errors.split("stopped after ")[1].split()[0])
    assert 0 < frames < 900 and f"{frames} frames, " in output
    assert numbers_in(tmp_path / "out.mp4") == [*range(frames)]
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == frames
    assert not lines.exists()


def test_refusals(source, weights, tmp_path, capsys, monkeypatch):
    save = ["--save", tmp_path / "b.mp4"]
    assert "--save" in refused(capsys, "video.py", "--source", "a.mp4", *weights)
    message = refused(capsys, "video.py", "--source", tmp_path / "a.mp4", *save, *weights)
    assert str(tmp_path / "a.mp4") in message and "does not exist" in message
    assert "is the source itself" in refused(
        capsys, "video.py", "--source", source, "--save", source, *weights
    )
    (tmp_path / "b.mp4").write_text("mine")
    assert "b.mp4 exists" in refused(capsys, "video.py", "--source", source, *save, *weights)
    assert (tmp_path / "b.mp4").read_text() == "mine"
    free = ["--save", tmp_path / "c.mp4"]
    assert "--every must be at least 1" in refused(
        capsys, "video.py", "--source", source, *free, "--every", 0, *weights
    )
    assert "there is no such camera" in refused(capsys, "video.py", "--source", 77, *free, *weights)
    (tmp_path / "text.mp4").write_text("no video")
    message = refused(capsys, "video.py", "--source", tmp_path / "text.mp4", *free, *weights)
    assert "cannot be opened as a video" in message
    message = refused(capsys, "video.py", "--source", "rtsp://me:secret@127.0.0.1:1/x", *free, *weights)
    assert "there is no answer" in message and "secret" not in message
    monkeypatch.setitem(sys.modules, "trackers", None)
    assert "pip install trackers" in refused(
        capsys, "video.py", "--source", source, *free, "--track", *weights
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.mp4", "text.mp4"]


@pytest.mark.skipif("DISPLAY" in os.environ or sys.platform != "linux", reason="there may be a display")
def test_no_display(source, weights, capsys):
    assert "--show needs a display" in refused(capsys, "video.py", "--source", source, "--show", *weights)


def test_overwriting_if_asked(source, weights, tmp_path, capsys):
    (tmp_path / "b.mp4").write_text("old")
    flags = ["--source", source, "--save", tmp_path / "b.mp4", "--overwrite", "--max-frames", 2, *weights]
    accepted(capsys, "video.py", *flags)
    assert len(frames_of(tmp_path / "b.mp4")[1]) == 2


@needs_shared
def test_a_real_video(tmp_path, capsys):
    """The cars of the car park are seen, and the video lasts as long as it did."""
    av = pytest.importorskip("av", reason="needs the extra video")
    path = SHARED / "data" / "videos" / "car-detection.mp4"
    flags = ["--weights", SHARED / "weights" / "yolox_nano_coco.pth", "--model", "yolox_nano"]
    flags += ["--device", "cpu"]
    flags += ["--save", tmp_path / "a.mp4", "--every", 8, "--image-size", 320, 320]
    output = accepted(capsys, "video.py", "--source", path, *flags)
    assert "377 frames, " in output and int(output.split("377 frames, ")[1].split()[0]) > 3
    properties = []
    for file in (path, tmp_path / "a.mp4"):
        with av.open(str(file)) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            packets = sum(1 for packet in container.demux(sound) if packet.size)
            properties.append((video.frames, video.average_rate, video.duration * video.time_base, packets))
    assert properties[0] == properties[1]
    before, after = (frames_of(file)[1][0].astype(int) for file in (path, tmp_path / "a.mp4"))
    assert np.abs(before - after).mean() < 4
