"""Detects on the frames of a video: reading, network, drawing and writing run at the same time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from utils.data.detections import Detections
from utils.draw.window import window_if
from utils.system.prefetch import prefetch
from utils.system.settings import NonNegativeInt, PositiveInt
from utils.system.signals import Stop
from utils.system.stopwatch import Stopwatch
from utils.video.capture import VideoSource
from utils.video.output import appearing, frame_line, lines_to
from utils.video.stages import DrawnFrames, PredictorLike, detected, drawn, read, undrawn
from utils.video.tracking import Scene, Tracked
from utils.video.writer import VideoWriter, open_writer

DEPTH = 2  # items queued between two stages: more takes memory and gains no speed
# Stages that run one after the other in one thread.
THREADS = (("read",), ("preprocess", "network", "NMS", "track"), ("draw",), ("encode", "show"))


@dataclass(frozen=True)
class VideoSettings:
    """Which frames are processed, and what becomes of them."""

    save: Path | None = None  # video file to write: .mp4, .mov, .mkv, .webm or .avi
    save_json: Path | None = None  # JSON Lines file to write, a line per frame
    show: bool = False  # show frames in a window (q quits); needs a display
    max_frames: NonNegativeInt = 0  # stop after this many frames; 0: no limit
    every: PositiveInt = 1  # detect on every nth frame; frames in between reuse its boxes
    batch_size: PositiveInt = 1  # frames per batch; more is faster on a GPU, but adds delay


@dataclass
class VideoResult:
    """Numbers of frames and objects, seconds in total and by stage, and the results of the last frame.

    limited  number of frames with more objects than may be detected
    """

    frames: int = 0
    objects: int = 0
    limited: int = 0
    seconds: float = 0.0
    watch: Stopwatch = field(default_factory=lambda: Stopwatch("read"))
    last: Tracked = field(default_factory=lambda: Tracked(Detections.empty()))


def process_video(
    predictor: PredictorLike,
    source: VideoSource,
    settings: VideoSettings,
    stop: Stop,
    scene: Scene | None = None,
) -> VideoResult:
    """Detect on every frame of `source` until its end, `stop`, or q in the window.

    Output files get their names when complete, also after `stop`. Raises `Stopped` if the disk is full.
    """
    result = VideoResult()
    start = time.perf_counter()
    expected = min(filter(None, (source.total, settings.max_frames)), default=None)
    stages = _stages(predictor, source, settings, stop, scene, result.watch)
    with (
        _running(stages, stop),
        _video_to(settings, source, stop, result) as video,
        lines_to(settings.save_json) as lines,
        window_if(settings.show) as window,
    ):
        bar = tqdm(stages, "detecting", expected, leave=False, unit="frame", dynamic_ncols=True, disable=None)
        for frame, tracked, image in bar:
            if video is not None:
                with result.watch.timed("encode"):
                    video.write(image, frame.seconds)
            if lines is not None:
                lines.write(frame_line(frame.number, frame.seconds, tracked, predictor.class_names) + "\n")
            result.frames += 1
            if frame.number % settings.every == 0:
                result.objects += len(tracked.detections)
                result.limited += tracked.detections.limited
            result.last = tracked
            if window is not None:
                with result.watch.timed("show"):
                    stop.over = not window.show(image)
        bar.close()
    result.seconds = time.perf_counter() - start
    return result


def _stages(
    predictor: PredictorLike,
    source: VideoSource,
    settings: VideoSettings,
    stop: Stop,
    scene: Scene | None,
    watch: Stopwatch,
) -> DrawnFrames:
    """Return the frames after reading, detecting and drawing, each in a thread; the caller writes."""
    frames = prefetch(read(source, settings.max_frames, watch), DEPTH, stop)
    found = detected(frames, predictor, settings.every, settings.batch_size, scene, watch)
    found = prefetch(found, DEPTH, stop)
    if settings.save is None and not settings.show:
        return undrawn(found)
    return prefetch(drawn(found, predictor.class_names, scene, watch), DEPTH, stop)


@contextmanager
def _running(stages: DrawnFrames, stop: Stop) -> Iterator[None]:
    """End all threads at the end of the block, even if they are waiting."""
    try:
        yield
    finally:
        stop.over = True
        stages.close()


@contextmanager
def _video_to(
    settings: VideoSettings, source: VideoSource, stop: Stop, result: VideoResult
) -> Iterator[VideoWriter | None]:
    """Yield the video writer; None if no video is saved. The file is removed if there was no frame."""
    if settings.save is None:
        yield None
        return
    with appearing(settings.save) as beside:
        writer = open_writer(beside, source)
        try:
            yield writer
            with result.watch.timed("encode"):
                writer.close(complete=not (stop.wanted or settings.max_frames or source.truncated))
            if not result.frames:
                beside.unlink(missing_ok=True)
        except BaseException:
            with suppress(Exception):
                writer.close(complete=False)
            raise


def describe_speed(result: VideoResult) -> str:
    """Describe the speed: frames per second in total, and the milliseconds of each stage and thread."""
    frames = max(result.frames, 1)
    each = {stage: 1000 * seconds / frames for stage, seconds in result.watch.seconds.items() if seconds}
    threads = {
        " + ".join(stage for stage in thread if stage in each): sum(each.get(stage, 0) for stage in thread)
        for thread in THREADS
    }
    slowest = max(threads, key=lambda thread: threads[thread])
    stages = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in each.items())
    return (
        f"{frames / max(result.seconds, 1e-9):.1f} frames/s; milliseconds per frame: {stages}\n"
        f"their sum {sum(each.values()):.1f}, the slowest thread {threads[slowest]:.1f} ({slowest}), "
        f"in all {1000 * result.seconds / frames:.1f}"
    )
