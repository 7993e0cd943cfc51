"""Tracks objects from frame to frame, and counts objects that cross a line or are within a zone.

ByteTrack (https://arxiv.org/abs/2110.06864) comes from `trackers` (Apache-2.0), lines and zones from
`supervision` (MIT). They are optional: `pip install trackers` installs both, and PyAV, a dependency.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.data.detections import Detections
from utils.data.types import Image, Labels
from utils.draw.boxes import stroke_sizes
from utils.draw.text import put_text, text_size
from utils.system.validation import require_packages

NO_TRACK = -1  # track of an object detected on only one frame: it may be a false positive
TRACK_COLOURS = 256  # maximum number of tracks on a frame with unique colours
CROSSED_SECONDS = 0.2  # time that an object must stay beyond a line to count as crossed: boxes jitter
LOST_SECONDS = 1.0  # an object that is lost for longer gets a new track
LINE_COLOUR = (255, 255, 255)

CountingLine = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tracked:
    """The detections on a frame, with their tracks and the counts so far.

    tracks    int64 [N], track number of each detection, which stays with the object; -1 for a new object
    crossed   number of objects that have crossed, by "in"/"out" and class name; None without a line
    in_zone   number of objects now in the zone, by class name; None without a zone
    """

    detections: Detections
    tracks: np.ndarray | None = None
    crossed: Mapping[str, Mapping[str, int]] | None = None
    in_zone: Mapping[str, int] | None = None


def check_tracking(line: CountingLine | None, zone: Sequence[float], wanted: bool) -> None:
    """Raise ValueError for an invalid line or zone, or if a package is missing."""
    if line is not None and line[:2] == line[2:]:
        raise ValueError("--line X1 Y1 X2 Y2: its two ends are the same point")
    if len(zone) % 2 or 0 < len(zone) < 6:
        raise ValueError(f"--zone X Y X Y X Y ...: it needs at least three corners, not {len(zone)} numbers")
    if wanted:
        require_packages("tracking (--track, --line, --zone)", "trackers")


class Scene:
    """Tracker and counter of the objects in a video.

    rate        number of frames per second that are detected on; sets how many frames a lost object is kept
    confidence  minimum score of a detection that starts a track
    line        counting line from (x1, y1) to (x2, y2) in pixels: crossing it to the right, seen from the
        first point to the second, is "out", to the left "in"; the centre of the box decides
    zone        corners x1, y1, x2, y2, ... in pixels; the centre of the box decides
    """

    def __init__(
        self,
        class_names: Sequence[str],
        rate: float,
        confidence: float,
        line: CountingLine | None = None,
        zone: Sequence[float] = (),
    ) -> None:
        import supervision as sv
        from trackers import ByteTrackTracker

        self.class_names = class_names
        self.tracker = ByteTrackTracker(
            frame_rate=rate,
            lost_track_buffer=round(30 * LOST_SECONDS),  # in frames at 30 frames per second
            track_activation_threshold=confidence,
            high_conf_det_threshold=confidence,
        )
        centre = (sv.Position.CENTER,)
        self.corners = np.array(zone).reshape(-1, 2).round().astype(int)
        self.ends = np.array(line or ()).reshape(-1, 2)
        self.zone = sv.PolygonZone(self.corners, centre) if len(zone) else None
        points = [sv.Point(x, y) for x, y in self.ends.tolist()]
        settled = max(1, round(CROSSED_SECONDS * rate))
        self.line = sv.LineZone(points[0], points[1], centre, settled) if points else None

    def track(self, detections: Detections) -> Tracked:
        """Return the detections of the next frame with their tracks, and the counts so far."""
        found = detections.to_supervision(self.class_names)
        found.data["index"] = np.arange(len(detections))  # the tracker reorders detections
        found = self.tracker.update(found)
        tracks = np.full(len(detections), NO_TRACK)
        if len(found):
            tracks[np.asarray(found.data["index"])] = found.tracker_id
        crossed = in_zone = None
        if self.line is not None:
            self.line.trigger(found)
            crossed = {
                "in": self._by_name(self.line.in_count_per_class),
                "out": self._by_name(self.line.out_count_per_class),
            }
        if self.zone is not None:
            within = np.asarray(self.zone.trigger(found), bool)
            labels = detections.labels[np.asarray(found.data["index"])[within]] if len(found) else []
            in_zone = self._by_name(Counter(map(int, labels)))
        return Tracked(detections, tracks, crossed, in_zone)

    def _by_name(self, counts: Mapping[int | None, int]) -> dict[str, int]:
        known = sorted((int(label), count) for label, count in counts.items() if label is not None)
        return {self.class_names[label]: count for label, count in known}

    def draw(self, image: Image, tracked: Tracked) -> None:
        """Draw line, zone and counts on the image, in place."""
        thickness = stroke_sizes(*image.shape[:2])[0]
        for points, closed in ((self.ends, False), (self.corners, True)):
            if len(points):
                cv2.polylines(
                    image, [points.round().astype(np.int32)], closed, LINE_COLOUR, thickness, cv2.LINE_AA
                )
        for row, text in enumerate(reversed(counts_in_words(tracked))):
            _write_row(image, text, row)


def counts_in_words(tracked: Tracked) -> list[str]:
    """Return a line of text for each direction across the line, and for the zone."""
    counts = [(f"crossed, {direction}", by_class) for direction, by_class in (tracked.crossed or {}).items()]
    if tracked.in_zone is not None:
        counts.append(("in the zone", tracked.in_zone))
    return [
        f"{what}: {', '.join(f'{name} {count}' for name, count in by_class.items()) or '0'}"
        for what, by_class in counts
    ]


def named_tracks(tracked: Tracked, class_names: Sequence[str]) -> tuple[Labels, list[str]]:
    """Return labels and label names for drawing, where each track has its own name and colour."""
    labels = tracked.detections.labels
    if tracked.tracks is None:
        return labels, [*class_names]
    names = [""] * TRACK_COLOURS + [*class_names]
    shown = labels + TRACK_COLOURS
    taken: set[int] = set()
    for index, (track, label) in enumerate(zip(tracked.tracks.tolist(), labels.tolist(), strict=True)):
        if track != NO_TRACK and len(taken) < TRACK_COLOURS:
            colour = next(
                n % TRACK_COLOURS
                for n in range(track, track + TRACK_COLOURS)
                if n % TRACK_COLOURS not in taken
            )
            taken.add(colour)
            names[colour] = f"{class_names[label]} #{track}"
            shown[index] = colour
    return shown, names


def _write_row(image: Image, text: str, row: int) -> None:
    """Write text on black at the lower left; row 0 is the lowest."""
    letters = stroke_sizes(*image.shape[:2])[1]
    width, height, _ = text_size(text, letters)
    pad = letters // 3
    top = image.shape[0] - (row + 1) * (height + 2 * pad)
    cv2.rectangle(image, (0, top), (width + 2 * pad, top + height + pad), (0, 0, 0), cv2.FILLED)
    put_text(image, text, pad, top + pad // 2, letters, LINE_COLOUR)
