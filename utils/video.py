"""Detection on the frames of a video: reading, drawing and writing, with the time of every stage."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from utils.drawing import draw_detections
from utils.predictor import Predictor
from utils.stopwatch import Stopwatch

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
FALLBACK_FPS = 25.0  # cameras and some streams do not say theirs


@dataclass
class VideoResult:
    """Frames and objects seen, and the time spent by stage."""

    frames: int = 0
    objects: int = 0
    watch: Stopwatch = field(default_factory=lambda: Stopwatch("read", "detect", "draw", "write"))


def process_video(
    predictor: Predictor, source: str, save: Path | None, show: bool, max_frames: int
) -> VideoResult:
    """Detect on every frame of `source`, a camera's number, a file or an address.

    The frames go to the file `save`, which appears when it is whole, also after Ctrl+C. ValueError with
    the fix if the source cannot be opened or the file cannot be written.
    """
    if save is not None and Path(source).exists() and save.resolve() == Path(source).resolve():
        raise ValueError(f"--save {save} is the source itself: choose another file")
    capture = _open(source)
    result = VideoResult()
    writer: cv2.VideoWriter | None = None
    whole = interrupted = False
    beside = save.with_name(f"{save.stem}.tmp{save.suffix}") if save is not None else None
    try:
        while not max_frames or result.frames < max_frames:
            with result.watch.timed("read"):
                there, frame = capture.read()
            if not there:
                break
            with result.watch.timed("detect"):
                image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                found = predictor.detect([image])[0]
            with result.watch.timed("draw"):
                picture = draw_detections(image, found, predictor.class_names)
                drawn = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            with result.watch.timed("write"):
                if beside is not None:
                    writer = writer or _writer(beside, capture, drawn)
                    writer.write(drawn)
                if show and not _show(drawn):
                    break
            result.frames += 1
            result.objects += len(found)
        whole = True
    except KeyboardInterrupt:
        whole = interrupted = True
        print("stopped by Ctrl+C; what was done is kept")
    finally:
        capture.release()
        if writer is not None:
            writer.release()
        if beside is not None and not whole:
            beside.unlink(missing_ok=True)
    if not result.frames and interrupted:
        return result
    if not result.frames:
        raise ValueError(f"--source {source}: it opens, but gives no frame; is the file whole?")
    if beside is not None and save is not None:
        beside.replace(save)
    return result


def _open(source: str) -> cv2.VideoCapture:
    is_camera = source.isdigit()
    if not is_camera and "://" not in source and not Path(source).is_file():
        raise ValueError(f"--source {source}: {Path(source).absolute()} does not exist")
    capture = cv2.VideoCapture(int(source) if is_camera else source)
    if not capture.isOpened():
        what = "there is no such camera" if is_camera else "it cannot be opened as a video"
        raise ValueError(f"--source {source}: {what}")
    return capture


def _writer(path: Path, capture: cv2.VideoCapture, frame: np.ndarray) -> cv2.VideoWriter:
    codec = CODECS.get(path.suffix.lower())
    if codec is None:
        raise ValueError(f"--save: videos are written as {' or '.join(CODECS)}, not '{path.suffix}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    fps = capture.get(cv2.CAP_PROP_FPS) or FALLBACK_FPS
    size = (frame.shape[1], frame.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
    if not writer.isOpened():
        raise ValueError(f"--save {path}: this OpenCV cannot write it; try .avi")
    return writer


def _show(frame: np.ndarray) -> bool:
    """Show a frame; False when the user presses q."""
    try:
        cv2.imshow("Boxwright", frame)
        return cv2.waitKey(1) & 0xFF != ord("q")
    except cv2.error:
        raise ValueError("--show needs a display: leave it out and give --save") from None
