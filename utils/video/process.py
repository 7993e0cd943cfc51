"""Detection on the frames of a video: reading, network, drawing and writing go on at the same time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from utils.data.detections import Detections
from utils.draw.window import window_if
from utils.system.pipeline import Stop, ahead
from utils.system.stopwatch import Stopwatch
from utils.video.capture import VideoSource
from utils.video.output import appearing, frame_line, lines_to
from utils.video.stages import Drawn, Finds, detected, drawn, read, undrawn
from utils.video.tracking import Scene, Tracked
from utils.video.writer import VideoWriter, open_writer

AHEAD = 2  # items that may wait between two stages: more take memory, and hide no more
# What runs in one thread, one after the other.
THREADS = (("read",), ("preprocess", "network", "NMS", "track"), ("draw",), ("encode", "show"))


@dataclass(frozen=True)
class VideoSettings:
    """What to do with the frames.

    save, save_json  files to write: the video with its boxes, and a line of JSON a frame
    show        frames in a window
    max_frames  to stop after; 0 goes on to the end
    every       frames of which one is detected on; the others keep its boxes
    batch_size  frames that are detected on together
    """

    save: Path | None = None
    save_json: Path | None = None
    show: bool = False
    max_frames: int = 0
    every: int = 1
    batch_size: int = 1


@dataclass
class VideoResult:
    """Frames and objects seen, seconds of the whole and by stage, and what was known at the last frame."""

    frames: int = 0
    objects: int = 0
    seconds: float = 0.0
    watch: Stopwatch = field(default_factory=lambda: Stopwatch("read"))
    last: Tracked = field(default_factory=lambda: Tracked(Detections.empty()))


def process_video(
    predictor: Finds,
    source: VideoSource,
    settings: VideoSettings,
    stop: Stop,
    scene: Scene | None = None,
) -> VideoResult:
    """Detect on every frame of `source` until its end, `stop`, or q in the window.

    Files appear when they are whole, also after `stop`. `Stopped` if they cannot be written to the end.
    """
    result = VideoResult()
    start = time.perf_counter()
    number = min(filter(None, (source.total, settings.max_frames)), default=None)
    stages = _stages(predictor, source, settings, stop, scene, result.watch)
    with (
        _running(stages, stop),
        _video_to(settings, source, stop, result) as video,
        lines_to(settings.save_json) as lines,
        window_if(settings.show) as window,
    ):
        bar = tqdm(stages, "detecting", number, leave=False, unit="frame", dynamic_ncols=True, disable=None)
        for frame, tracked, image in bar:
            if video is not None:
                with result.watch.timed("encode"):
                    video.write(image, frame.seconds)
            if lines is not None:
                lines.write(frame_line(frame.number, frame.seconds, tracked, predictor.class_names) + "\n")
            result.frames += 1
            result.objects += len(tracked.detections) if frame.number % settings.every == 0 else 0
            result.last = tracked
            if window is not None:
                with result.watch.timed("show"):
                    stop.over = not window.show(image)
        bar.close()
    result.seconds = time.perf_counter() - start
    return result


def _stages(
    predictor: Finds,
    source: VideoSource,
    settings: VideoSettings,
    stop: Stop,
    scene: Scene | None,
    watch: Stopwatch,
) -> Drawn:
    """Reading, detecting and drawing, each in a thread; writing is left to the one that asks."""
    frames = ahead(read(source, settings.max_frames, watch), AHEAD, stop)
    found = ahead(detected(frames, predictor, settings.every, settings.batch_size, scene, watch), AHEAD, stop)
    if settings.save is None and not settings.show:
        return undrawn(found)
    return ahead(drawn(found, predictor.class_names, scene, watch), AHEAD, stop)


@contextmanager
def _running(stages: Drawn, stop: Stop) -> Iterator[None]:
    """At the end all threads end, whatever they wait for."""
    try:
        yield
    finally:
        stop.over = True
        stages.close()


@contextmanager
def _video_to(
    settings: VideoSettings, source: VideoSource, stop: Stop, result: VideoResult
) -> Iterator[VideoWriter | None]:
    """Takes the frames; None if they are not saved. Without any frame there is no file."""
    if settings.save is None:
        yield None
        return
    with appearing(settings.save) as beside:
        writer = open_writer(beside, source)
        try:
            yield writer
            with result.watch.timed("encode"):
                writer.close(complete=not (stop.wanted or settings.max_frames or source.faults))
            if not result.frames:
                beside.unlink(missing_ok=True)
        except BaseException:
            with suppress(Exception):
                writer.close(complete=False)
            raise


def describe_speed(result: VideoResult) -> str:
    """Frames a second of the whole, and beside it what the stages took, alone and together."""
    frames = max(result.frames, 1)
    each = {stage: 1000 * seconds / frames for stage, seconds in result.watch.seconds.items() if seconds}
    threads = {
        " + ".join(stage for stage in thread if stage in each): sum(each.get(stage, 0) for stage in thread)
        for thread in THREADS
    }
    slowest = max(threads, key=lambda thread: threads[thread])
    stages = ", ".join(f"{stage} {milliseconds:.1f}" for stage, milliseconds in each.items())
    return (
        f"{frames / max(result.seconds, 1e-9):.1f} frames/s; milliseconds of each frame: {stages}\n"
        f"their sum {sum(each.values()):.1f}, the slowest thread {threads[slowest]:.1f} ({slowest}), "
        f"the whole {1000 * result.seconds / frames:.1f}"
    )
