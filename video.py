"""Detect objects in a video: python video.py --source street.mp4 --weights logs/RUN/best.pt --save out.mp4

The source is a camera, file, stream or folder of images. All stages run at the same time; Ctrl+C keeps what
is done. Instead of flags, edit `Config`, for instance PredictSettings(weights=Path("best.pt"), model="ssd").
"""

import utils.system.quiet_imports  # noqa: F401

from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
import tyro
from tyro.conf import OmitArgPrefixes

from utils.draw.window import require_display
from utils.predict.predictor import Predictor, limit_text
from utils.predict.settings import PredictSettings
from utils.system.cli import IncompleteError, run
from utils.system.files import require_writable
from utils.system.memory import keep_freed_memory
from utils.system.settings import NonNegativeInt, PositiveFloat, check_ranges
from utils.system.signals import Stop, Stopped, exit_status_of
from utils.video.capture import VideoSource
from utils.video.open_source import open_source
from utils.video.output import check_free
from utils.video.process import VideoResult, VideoSettings, describe_speed, process_video
from utils.video.thread_tuning import ThreadTuned
from utils.video.tracking import CountingLine, Scene, check_tracking, counts_in_words
from utils.video.writer import check_suffix
from utils.weights.thresholds import describe_confidences

MAX_PROBLEMS_PRINTED = 10


@dataclass(frozen=True)
class Config:
    """Detect objects in a video."""

    source: str  # camera number (0: the first), video file, URL, or image folder
    predict: OmitArgPrefixes[PredictSettings] = PredictSettings(weights=tyro.MISSING)  # model and thresholds
    video: OmitArgPrefixes[VideoSettings] = VideoSettings()  # frames and output files
    overwrite: bool = False  # replace existing files
    fps: PositiveFloat | None = None  # frame rate of an image folder; default: 25
    reconnect: NonNegativeInt = 10  # attempts in a row to restore a lost connection to a camera or stream
    track: bool = False  # track objects, with a track ID each; needs pip install trackers
    line: CountingLine | None = None  # X1 Y1 X2 Y2 (pixels): count objects that cross it, in and out
    zone: tuple[float, ...] = ()  # X Y X Y X Y ... (pixels): count objects inside the polygon
    seed: int = 0  # random seed; no effect with the built-in models

    @property
    def tracks(self) -> bool:
        """Whether objects are tracked from frame to frame."""
        return self.track or self.line is not None or bool(self.zone)


def main(config: Config) -> None:
    """Detect on every frame, and print the counts and the time of each stage."""
    keep_freed_memory()
    check(config)
    torch.manual_seed(config.seed)
    cv2.setNumThreads(1)  # one thread per stage; more would compete with the network for cores
    predictor = Predictor(**vars(config.predict))
    print(describe_confidences(predictor.confidences, predictor.class_names, config.predict.only))
    stop = Stop()
    with stop.signal.listening():
        source = open_source(config.source, config.fps, config.reconnect, stop)
        on_cpu = predictor.model.runtime is None and predictor.device.type == "cpu"
        tuned = ThreadTuned(predictor) if on_cpu else predictor
        result = process_video(tuned, source, config.video, stop, scene_of(config, predictor, source))
    report(config, result, source)
    if stop.signal.number:
        raise Stopped(
            exit_status_of(stop.signal.number), f"stopped after {result.frames} frames, which are kept"
        )
    if source.problems:
        raise IncompleteError(first_lines(source.problems))


def check(config: Config) -> None:
    """Raise ValueError, with the fix, for invalid flags before any slow step."""
    video = config.video
    if video.save is None and video.save_json is None and not video.show:
        raise ValueError("no output: give --save out.mp4, --save-json out.jsonl, or --show")
    check_ranges(config)
    check_tracking(config.line, config.zone, config.tracks)
    for flag, path in (("--save", video.save), ("--save-json", video.save_json)):
        if path is not None and path.resolve() == Path(config.source).resolve():
            raise ValueError(f"{flag} {path} is the source itself: choose another file")
        if path is not None:
            check_free(path, config.overwrite, flag)
            require_writable(path.absolute().parent, flag)
    if video.save is not None:
        check_suffix(video.save)
    if video.show:
        require_display()


def scene_of(config: Config, predictor: Predictor, source: VideoSource) -> Scene | None:
    """Return the tracker and counter of objects; None if not requested."""
    if not config.tracks:
        return None
    rate = float(source.rate) / config.video.every
    return Scene(predictor.class_names, rate, predictor.settings.confidence, config.line, config.zone)


def report(config: Config, result: VideoResult, source: VideoSource) -> None:
    """Print frames, objects, counts, speed, and the paths of the results."""
    print(f"{result.frames} frames, {result.objects} objects")
    for text in counts_in_words(result.last):
        print(text)
    print(describe_speed(result))
    if text := limit_text(result.limited, "frame", config.predict.max_detections):
        print(text)
    if source.dropped:
        print(
            f"note: {source.dropped} more frames came too fast and were dropped: "
            "a larger --every or a smaller --image-size helps"
        )
    for path in (config.video.save, config.video.save_json):
        if path is not None and path.exists() and result.frames:
            print(f"saved: {path}")


def first_lines(problems: list[str]) -> str:
    """Return the first problems, one per line, and the number of further ones."""
    more = len(problems) - MAX_PROBLEMS_PRINTED
    return "\n".join(problems[:MAX_PROBLEMS_PRINTED] + [f"and {more} more"] * (more > 0))


if __name__ == "__main__":
    run(main, Config)
