"""video.py as a user runs it."""

import cv2
import numpy as np

from tests.scripts.running import refused, script

FRAMES, FPS = 5, 12.0


def write_video(path):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (96, 64))
    for number in range(FRAMES):
        frame = np.full((64, 96, 3), 60, np.uint8)
        frame[20:50, 10 + 8 * number : 40 + 8 * number] = (30, 180, 230)
        writer.write(frame)
    writer.release()


def test_a_video_with_boxes_at_the_rate_of_its_source(trained_run):
    write_video(trained_run.home / "street 街.mp4")
    weights = ["--weights", trained_run.folder / "best.pt", "--confidence", 0.15, "--device", "cpu"]
    source = ["--source", "street 街.mp4", "--save", "out/drawn.mp4"]
    done = script("video.py", *source, *weights, cwd=trained_run.home)
    saved = cv2.VideoCapture(str(trained_run.home / "out" / "drawn.mp4"))
    assert saved.get(cv2.CAP_PROP_FPS) == FPS and saved.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    assert (saved.get(cv2.CAP_PROP_FRAME_WIDTH), saved.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (96, 64)
    assert done.stdout.startswith(f"confidence 0.15\n{FRAMES} frames, ") and "frames/s" in done.stdout
    assert all(f" {stage} " in done.stdout for stage in ("read", "detect", "draw", "write"))
    assert "drawn.mp4" in done.stdout.splitlines()[-1]


def test_refusals(trained_run, tmp_path, capsys):
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu"]
    assert "--save" in refused(capsys, "video.py", "--source", "a.mp4", *weights)
    message = refused(
        capsys, "video.py", "--source", tmp_path / "a.mp4", "--save", tmp_path / "b.mp4", *weights
    )
    assert str(tmp_path / "a.mp4") in message and "does not exist" in message
