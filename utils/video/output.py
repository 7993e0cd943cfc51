"""Output files of a video, renamed to their final names when complete; a line of JSON per frame."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from utils.predict.save_results import named_entries
from utils.system.signals import Stopped
from utils.video.tracking import NO_TRACK, Tracked


def check_free(path: Path, overwrite: bool, flag: str) -> None:
    """Raise ValueError if a file would be overwritten: the output, or the partial one of a killed run."""
    for there, what in ((path, "exists"), (unfinished(path), "is left from a run that was killed")):
        if there.exists() and not overwrite:
            raise ValueError(f"{flag}: {there} {what}: remove it, choose another name, or give --overwrite")


def unfinished(path: Path) -> Path:
    """Return the temporary path of a file while it is written."""
    return path.with_name(f"{path.stem}.tmp{path.suffix}")


def frame_line(number: int, seconds: float, tracked: Tracked, class_names: Sequence[str]) -> str:
    """Return the results of a frame as one line of JSON; boxes are [x, y, width, height] in pixels."""
    detections: list[dict[str, object]] = [
        {**entry} for entry in named_entries(tracked.detections, class_names)
    ]
    if tracked.tracks is not None:
        for detection, track in zip(detections, tracked.tracks.tolist(), strict=True):
            detection["track"] = None if track == NO_TRACK else track
    line: dict[str, object] = {"frame": number, "seconds": round(seconds, 6), "detections": detections}
    if tracked.crossed is not None:
        line["crossed"] = tracked.crossed
    if tracked.in_zone is not None:
        line["in_zone"] = tracked.in_zone
    return json.dumps(line, ensure_ascii=False)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; a file written there is renamed to `path` at the end.

    If the disk is full (`Stopped` then names the partial file), or after a second Ctrl+C, the partial file is
    kept at the temporary path, since it can be played. After any other exception it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = unfinished(path)
    try:
        yield beside
        if beside.exists():
            beside.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Stopped(1, f"{path} could not be completed ({reason}); the part written is {beside}") from error
    except Exception:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def lines_to(path: Path | None) -> Iterator[IO[str] | None]:
    """Yield a text file that is flushed after each line; None without a path."""
    if path is None:
        yield None
        return
    with appearing(path) as beside, beside.open("w", encoding="utf-8", newline="\n", buffering=1) as file:
        yield file
