"""The stages that process the frames of a video: reading, detection and drawing.

Each stage is a generator over the one before. Stages run one after the other, or at the same time with
`prefetch` of utils.system.prefetch between them. Frames keep their order, and none is skipped.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from utils.data.detections import Detections
from utils.data.types import Image
from utils.draw.boxes import draw_boxes
from utils.system.stopwatch import Stopwatch
from utils.video.capture import VideoSource
from utils.video.tracking import Scene, Tracked, named_tracks


class PredictorLike(Protocol):
    """The interface of `Predictor` that is used here."""

    @property
    def class_names(self) -> Sequence[str]:
        """The names of the classes, by label."""

    def detect(self, images: Sequence[Image], watch: Stopwatch | None = None) -> list[Detections]:
        """Return the detections on each image; `watch` records the time of each stage."""


class Frame(NamedTuple):
    """A frame: number from 0, time in seconds since the first frame, and image."""

    number: int
    seconds: float
    image: Image


Frames = Generator[Frame, None, None]
TrackedFrames = Generator[tuple[Frame, Tracked], None, None]
DrawnFrames = Generator[tuple[Frame, Tracked, Image], None, None]


def read(source: VideoSource, max_frames: int, watch: Stopwatch) -> Frames:
    """Yield the first `max_frames` frames of an open video; 0 for all."""
    number = 0
    with closing(source.frames):
        while not max_frames or number < max_frames:
            with watch.timed("read"):
                item = next(source.frames, None)
            if item is None:
                return
            yield Frame(number, *item)
            number += 1


def detected(
    frames: Frames,
    predictor: PredictorLike,
    every: int,
    batch_size: int,
    scene: Scene | None,
    watch: Stopwatch,
) -> TrackedFrames:
    """Yield each frame with its objects, detected on every `every`th frame and repeated in between.

    Detects on `batch_size` frames at a time. With a scene, objects are tracked from frame to frame.
    """
    last = Tracked(Detections.empty())
    waiting: list[Frame] = []

    def with_boxes() -> TrackedFrames:
        nonlocal last
        due = [frame.image for frame in waiting if frame.number % every == 0]
        found = iter(predictor.detect(due, watch) if due else ())
        for frame in waiting:
            if frame.number % every == 0:
                last = _tracked(next(found), scene, watch)
            yield frame, last
        waiting.clear()

    with closing(frames):
        for frame in frames:
            waiting.append(frame)
            due = sum(frame.number % every == 0 for frame in waiting)
            if due in (0, batch_size):
                yield from with_boxes()
        yield from with_boxes()


def _tracked(found: Detections, scene: Scene | None, watch: Stopwatch) -> Tracked:
    if scene is None:
        return Tracked(found)
    with watch.timed("track"):
        return scene.track(found)


def drawn(
    found: TrackedFrames, class_names: Sequence[str], scene: Scene | None, watch: Stopwatch
) -> DrawnFrames:
    """Yield each frame with its objects, and the image with boxes and `scene` drawn on it."""
    with closing(found):
        for frame, tracked in found:
            with watch.timed("draw"):
                labels, names = named_tracks(tracked, class_names)
                boxes = tracked.detections.boxes
                image = draw_boxes(frame.image, boxes, labels, names, tracked.detections.scores)
                if scene is not None:
                    scene.draw(image, tracked)
            yield frame, tracked, image


def undrawn(found: TrackedFrames) -> DrawnFrames:
    """Yield each frame with its objects, and the unchanged image, for output without boxes."""
    with closing(found):
        for frame, tracked in found:
            yield frame, tracked, frame.image
