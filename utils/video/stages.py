"""The stages that a frame of a video goes through: read, detected on, drawn on.

Each is a generator that takes the one before, so that they run one after the other as they are, and at the
same time with `utils.system.pipeline.ahead` between them. Frames keep their order, and none is left out.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

import numpy as np

from utils.data.detections import Detections
from utils.draw.boxes import draw_boxes
from utils.system.stopwatch import Stopwatch
from utils.video.capture import VideoSource
from utils.video.tracking import Scene, Tracked, named_tracks


class Finds(Protocol):
    """What is asked of a predictor."""

    @property
    def class_names(self) -> Sequence[str]:
        """The names of the classes, by label."""

    def detect(self, images: Sequence[np.ndarray], watch: Stopwatch | None = None) -> list[Detections]:
        """Detections on each RGB uint8 image [H, W, 3]; `watch` gets the time of its stages."""


class Frame(NamedTuple):
    """A frame by number, from 0, its seconds since the first, and what it shows: RGB uint8 [H, W, 3]."""

    number: int
    seconds: float
    image: np.ndarray


Read = Generator[Frame, None, None]
TrackedFrames = Generator[tuple[Frame, Tracked], None, None]
Drawn = Generator[tuple[Frame, Tracked, np.ndarray], None, None]


def read(source: VideoSource, most: int, watch: Stopwatch) -> Read:
    """The frames of an open video, the first `most` of them; 0 for all."""
    number = 0
    with closing(source.images):
        while not most or number < most:
            with watch.timed("read"):
                item = next(source.images, None)
            if item is None:
                return
            yield Frame(number, *item)
            number += 1


def detected(
    frames: Read, predictor: Finds, every: int, batch_size: int, scene: Scene | None, watch: Stopwatch
) -> TrackedFrames:
    """Each frame with what is on it: one of `every` is detected on, the others keep what the last one had.

    `batch_size` frames are detected on at a time. With a scene things are followed from one to the next.
    """
    last = Tracked(Detections.empty())
    waiting: list[Frame] = []

    def with_boxes() -> TrackedFrames:
        nonlocal last
        due = [frame.image for frame in waiting if frame.number % every == 0]
        found = iter(predictor.detect(due, watch) if due else ())
        for frame in waiting:
            if frame.number % every == 0:
                last = _followed(next(found), scene, watch)
            yield frame, last
        waiting.clear()

    with closing(frames):
        for frame in frames:
            waiting.append(frame)
            due = sum(frame.number % every == 0 for frame in waiting)
            if due in (0, batch_size):
                yield from with_boxes()
        yield from with_boxes()


def _followed(found: Detections, scene: Scene | None, watch: Stopwatch) -> Tracked:
    if scene is None:
        return Tracked(found)
    with watch.timed("track"):
        return scene.follow(found)


def drawn(found: TrackedFrames, class_names: Sequence[str], scene: Scene | None, watch: Stopwatch) -> Drawn:
    """Each frame with what is on it, and an image that shows it."""
    with closing(found):
        for frame, tracked in found:
            with watch.timed("draw"):
                labels, names = named_tracks(tracked, class_names)
                boxes = tracked.detections.boxes
                image = draw_boxes(frame.image, boxes, labels, names, tracked.detections.scores)
                if scene is not None:
                    scene.draw(image, tracked)
            yield frame, tracked, image


def undrawn(found: TrackedFrames) -> Drawn:
    """The same without drawing, where nobody looks."""
    with closing(found):
        for frame, tracked in found:
            yield frame, tracked, frame.image
