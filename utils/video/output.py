"""Where the frames of a video go: a file, lines of JSON, a window."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from utils.predict.save_results import named_entries
from utils.system.signals import Stopped
from utils.video.tracking import UNNAMED, Tracked


def check_free(path: Path, overwrite: bool, flag: str) -> None:
    """ValueError if a file is there that would be lost, or one that a killed run has left."""
    for there, what in ((path, "exists"), (unfinished(path), "was left by a run that was killed")):
        if there.exists() and not overwrite:
            raise ValueError(f"{flag}: {there} {what}: remove it, choose another name, or give --overwrite")


def unfinished(path: Path) -> Path:
    """Where a file is while it is written."""
    return path.with_name(f"{path.stem}.tmp{path.suffix}")


def frame_line(number: int, seconds: float, tracked: Tracked, class_names: Sequence[str]) -> str:
    """All that is known of a frame, as one line of JSON; boxes are [x, y, width, height] in pixels."""
    detections = named_entries(tracked.detections, class_names)
    if tracked.tracks is not None:
        for detection, track in zip(detections, tracked.tracks.tolist(), strict=True):
            detection["track"] = None if track == UNNAMED else track
    line: dict[str, Any] = {"frame": number, "seconds": round(seconds, 6), "detections": detections}
    if tracked.crossed is not None:
        line["crossed"] = tracked.crossed
    if tracked.in_zone is not None:
        line["in_zone"] = tracked.in_zone
    return json.dumps(line, ensure_ascii=False)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Where to write a file that gets its name at the end, if there is one then.

    What a full disk or an impatient user cuts off stays under the other name, for it can be used; `Stopped`
    says so for the disk. A defect leaves nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = unfinished(path)
    try:
        yield beside
        if beside.exists():
            beside.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Stopped(1, f"{path} could not be written to its end: {reason}; see {beside}") from error
    except Exception:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def lines_to(path: Path | None) -> Iterator[IO[str] | None]:
    """A text file that is written line by line; None without a path."""
    if path is None:
        yield None
        return
    with appearing(path) as beside, beside.open("w", encoding="utf-8", newline="\n", buffering=1) as file:
        yield file
