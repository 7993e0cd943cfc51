"""Which thing is which from frame to frame, and how many cross a line or are within a zone.

ByteTrack (https://arxiv.org/abs/2110.06864) comes from `trackers` (Apache-2.0), lines and zones from
`supervision` (MIT). They are an extra: `pip install trackers` brings both, and PyAV, which supervision needs.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.data.detections import Detections
from utils.draw.boxes import stroke_sizes
from utils.draw.text import put_text, text_size
from utils.system.validation import require_packages

UNNAMED = -1  # the number of what has been seen on one frame only: it may be a mistake
COLOURS = 256  # tracks seen together that have colours of their own
SURE_SECONDS = 0.2  # a thing is across a line when it stays there for so long; one on the line wavers
LOST_SECONDS = 1.0  # a thing that is gone for longer comes back under another number
LINE_COLOUR = (255, 255, 255)

CountingLine = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tracked:
    """What was found on a frame, and what is known of it from the frames before.

    tracks    int64 [N], a number for each detection that stays with the thing; -1 for one that is new
    crossed   how many have crossed the line so far, by "in" and "out" and class name; None without a line
    in_zone   how many are within the zone now, by class name; None without a zone
    """

    detections: Detections
    tracks: np.ndarray | None = None
    crossed: Mapping[str, Mapping[str, int]] | None = None
    in_zone: Mapping[str, int] | None = None


def check_tracking(line: CountingLine | None, zone: Sequence[float], wanted: bool) -> None:
    """ValueError for a line or zone that is none, or with what to install."""
    if line is not None and line[:2] == line[2:]:
        raise ValueError("--line X1 Y1 X2 Y2: its two ends are the same point")
    if len(zone) % 2 or 0 < len(zone) < 6:
        raise ValueError(f"--zone X Y X Y X Y ...: it needs three corners or more, not {len(zone)} numbers")
    if wanted:
        require_packages("following things (--track, --line, --zone)", "trackers")


class Scene:
    """Follows things through a video.

    rate        frames a second that are detected on, for how long a lost thing is remembered
    confidence  least score of a thing that begins to be followed
    line        from (x1, y1) to (x2, y2) in pixels: going to the right across it, looking from the first
        point to the second, is "out", going to the left "in"; the middle of the box counts
    zone        corners x1, y1, x2, y2, ... in pixels; the middle of the box counts
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
            lost_track_buffer=round(30 * LOST_SECONDS),  # in frames of a video of 30 a second
            track_activation_threshold=confidence,
            high_conf_det_threshold=confidence,
        )
        middle = (sv.Position.CENTER,)
        self.corners = np.array(zone).reshape(-1, 2).round().astype(int)
        self.ends = np.array(line or ()).reshape(-1, 2)
        self.zone = sv.PolygonZone(self.corners, middle) if len(zone) else None
        points = [sv.Point(x, y) for x, y in self.ends.tolist()]
        sure = max(1, round(SURE_SECONDS * rate))
        self.line = sv.LineZone(points[0], points[1], middle, sure) if points else None

    def follow(self, detections: Detections) -> Tracked:
        """The detections of the next frame with their numbers, and the counts so far."""
        found = detections.to_supervision(self.class_names)
        found.data["place"] = np.arange(len(detections))  # a tracker gives them back in another order
        found = self.tracker.update(found)
        tracks = np.full(len(detections), UNNAMED)
        if len(found):
            tracks[np.asarray(found.data["place"])] = found.tracker_id
        crossed = in_zone = None
        if self.line is not None:
            self.line.trigger(found)
            crossed = {
                "in": self._by_name(self.line.in_count_per_class),
                "out": self._by_name(self.line.out_count_per_class),
            }
        if self.zone is not None:
            within = np.asarray(self.zone.trigger(found), bool)
            labels = detections.labels[np.asarray(found.data["place"])[within]] if len(found) else []
            in_zone = self._by_name(Counter(map(int, labels)))
        return Tracked(detections, tracks, crossed, in_zone)

    def _by_name(self, counts: Mapping[int | None, int]) -> dict[str, int]:
        known = sorted((int(label), number) for label, number in counts.items() if label is not None)
        return {self.class_names[label]: number for label, number in known}

    def draw(self, image: np.ndarray, tracked: Tracked) -> None:
        """Draw line, zone and counts on the RGB uint8 image [H, W, 3], in place."""
        thickness = stroke_sizes(*image.shape[:2])[0]
        for points, closed in ((self.ends, False), (self.corners, True)):
            if len(points):
                cv2.polylines(
                    image, [points.round().astype(np.int32)], closed, LINE_COLOUR, thickness, cv2.LINE_AA
                )
        for row, text in enumerate(reversed(counts_in_words(tracked))):
            _write_row(image, text, row)


def counts_in_words(tracked: Tracked) -> list[str]:
    """A line for what went across each way, and for what is within the zone."""
    counts = [(f"across, {way}", number) for way, number in (tracked.crossed or {}).items()]
    if tracked.in_zone is not None:
        counts.append(("within the zone", tracked.in_zone))
    return [
        f"{what}: {', '.join(f'{name} {number}' for name, number in by_class.items()) or '0'}"
        for what, by_class in counts
    ]


def named_tracks(tracked: Tracked, class_names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Labels [N] and their names, for drawing: what has a number has a name and a colour of its own."""
    labels = tracked.detections.labels
    if tracked.tracks is None:
        return labels, [*class_names]
    names = [""] * COLOURS + [*class_names]
    shown = labels + COLOURS
    taken: set[int] = set()
    for place, (track, label) in enumerate(zip(tracked.tracks.tolist(), labels.tolist(), strict=True)):
        if track != UNNAMED and len(taken) < COLOURS:
            colour = next(n % COLOURS for n in range(track, track + COLOURS) if n % COLOURS not in taken)
            taken.add(colour)
            names[colour] = f"{class_names[label]} #{track}"
            shown[place] = colour
    return shown, names


def _write_row(image: np.ndarray, text: str, row: int) -> None:
    """Write on black, at the lower left, the rows from below."""
    letters = stroke_sizes(*image.shape[:2])[1]
    width, height, _ = text_size(text, letters)
    pad = letters // 3
    top = image.shape[0] - (row + 1) * (height + 2 * pad)
    cv2.rectangle(image, (0, top), (width + 2 * pad, top + height + pad), (0, 0, 0), cv2.FILLED)
    put_text(image, text, pad, top + pad // 2, letters, LINE_COLOUR)
