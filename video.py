"""Find objects on a video: python video.py --source street.mp4 --weights logs/RUN/best.pt --save out.mp4

A camera, file, stream or images. All stages go on at the same time; Ctrl+C keeps what is done.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from nets.common.detector import Detector
from utils.draw.window import require_display
from utils.predict.predictor import Predictor
from utils.system.cli import IncompleteError, alike, run
from utils.system.device import Amp
from utils.system.memory import keep_freed_memory
from utils.system.pipeline import Stop
from utils.system.signals import Stopped, status_of
from utils.system.validation import check_values
from utils.video.capture import VideoSource
from utils.video.open_source import open_source
from utils.video.output import check_free
from utils.video.process import VideoResult, VideoSettings, describe_speed, process_video
from utils.video.thread_tuning import ThreadChoice
from utils.video.tracking import Scene, check_tracking, counts_in_words
from utils.video.writer import check_suffix
from utils.weights.thresholds import Confidence, describe, parse_class_confidence

MOST_FAULTS = 10  # that are printed


@dataclass(frozen=True)
class Config:
    """Find objects on a video."""

    source: str  # a camera's number (0 is the first), a video file, an address, or a folder of images
    weights: Path  # of train.py or export.py, other weights, or pretrained with --model
    save: Path | None = None  # video file to write: .mp4, .mov, .mkv, .webm or .avi
    save_json: Path | None = None  # file to write with a line of JSON for each frame
    overwrite: bool = False  # replace files that are there
    show: bool = False  # show the frames in a window, q ends; needs a display
    max_frames: int = 0  # stop after this many frames; 0 goes on to the end
    every: int = 1  # detect on one frame of so many; those between keep its boxes
    batch_size: int = 1  # frames that are detected on together; more is faster on a GPU, and later
    fps: float | None = None  # frames a second of a folder of images, by default 25; videos have their own
    reconnect: int = 10  # how often in a row to try a camera or stream again that has broken off
    track: bool = False  # give each thing a number that it keeps; needs pip install trackers
    line: tuple[float, float, float, float] | None = None  # X1 Y1 X2 Y2: count what goes across, in and out
    zone: tuple[float, ...] = ()  # X Y X Y X Y ...: count what is within these corners
    confidence: Confidence = None  # least score of a box; best (default, else .5), best-by-class: as stored
    only: tuple[str, ...] = ()  # names of the classes to look for; by default all
    class_confidence: tuple[str, ...] = ()  # other least scores for some classes: name=0.3
    nms_iou: float = 0.3  # of two boxes of a class that overlap more than this, the better one stays
    agnostic_nms: bool = False  # whether that holds for boxes of two classes too
    rectangular: bool = False  # cut the input to the shape of the frames: faster, and nearly the same boxes
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    seed: int = 0  # for what a model may draw at random; the networks here draw nothing


def main(config: Config) -> None:
    """Detect on every frame, and say what was seen and how long each stage took."""
    keep_freed_memory()
    check(config)
    torch.manual_seed(config.seed)
    cv2.setNumThreads(1)  # one for each stage; more would compete with the network for the cores
    predictor = Predictor(
        config.weights,
        model=config.model,
        classes=config.classes,
        image_size=config.image_size,
        device=config.device,
        amp=config.amp,
        confidence=config.confidence,
        class_confidence=parse_class_confidence(config.class_confidence),
        only=config.only,
        nms_iou=config.nms_iou,
        agnostic_nms=config.agnostic_nms,
        rectangular=config.rectangular,
    )
    print(describe(predictor.confidences, predictor.class_names, config.only))
    stop = Stop()
    with stop.signal.listening():
        source = open_source(config.source, config.fps, config.reconnect, stop)
        settings = VideoSettings(**alike(config, VideoSettings))
        on_cpu = isinstance(predictor.model.detector, Detector) and predictor.device.type == "cpu"
        finds = ThreadChoice(predictor) if on_cpu else predictor
        result = process_video(finds, source, settings, stop, scene_of(config, predictor, source))
    report(config, result, source)
    if stop.signal.number:
        raise Stopped(status_of(stop.signal.number), f"stopped after {result.frames} frames, which are kept")
    if source.faults:
        raise IncompleteError(in_short(source.faults))


def check(config: Config) -> None:
    """ValueError with the fix for flags that do not go together, before anything takes time."""
    if config.save is None and config.save_json is None and not config.show:
        raise ValueError(
            "nothing to do with the result: give --save out.mp4, --save-json out.jsonl, or --show"
        )
    ranges = {
        "at least 1": ("every", "batch_size"),
        "at least 0": ("max_frames", "reconnect"),
        "above 0": ("fps",),
    }
    check_values(vars(config), ranges)
    check_tracking(config.line, config.zone, follows(config))
    for flag, path in (("--save", config.save), ("--save-json", config.save_json)):
        if path is not None and path.resolve() == Path(config.source).resolve():
            raise ValueError(f"{flag} {path} is the source itself: choose another file")
        if path is not None:
            check_free(path, config.overwrite, flag)
    if config.save is not None:
        check_suffix(config.save)
    if config.show:
        require_display()


def follows(config: Config) -> bool:
    """Whether things are followed from frame to frame."""
    return config.track or config.line is not None or bool(config.zone)


def scene_of(config: Config, predictor: Predictor, source: VideoSource) -> Scene | None:
    """What follows things through the video, if that is asked for."""
    if not follows(config):
        return None
    rate = float(source.rate) / config.every
    return Scene(predictor.class_names, rate, predictor.settings.confidence, config.line, config.zone)


def report(config: Config, result: VideoResult, source: VideoSource) -> None:
    """Frames, objects, counts, speed, and where the results are."""
    print(f"{result.frames} frames, {result.objects} objects")
    for text in counts_in_words(result.last):
        print(text)
    print(describe_speed(result))
    if source.passed_over:
        print(
            f"note: {source.passed_over} frames beside these were passed over, for they came too fast: "
            "a larger --every or a smaller --image-size helps"
        )
    for path in (config.save, config.save_json):
        if path is not None and path.exists() and result.frames:
            print(f"saved: {path}")


def in_short(faults: list[str]) -> str:
    """The first faults, a line each."""
    more = len(faults) - MOST_FAULTS
    return "\n".join(faults[:MOST_FAULTS] + [f"and {more} more"] * (more > 0))


if __name__ == "__main__":
    run(main, Config)
