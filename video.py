"""Find objects on a video: python video.py --source street.mp4 --weights logs/RUN/best.pt --save out.mp4

The saved video has the frame rate of the source. The time of every stage is printed at the end.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from utils.cli import run
from utils.device import Amp
from utils.predictor import Predictor
from utils.thresholds import Confidence, describe
from utils.video import VideoResult, process_video


@dataclass(frozen=True)
class Config:
    """Find objects on a video."""

    source: str  # a camera's number (0 is the first), a video file, or the address of a stream
    weights: Path  # a checkpoint of train.py, other weights, or pretrained with --model
    save: Path | None = None  # video file to write, .mp4 or .avi
    show: bool = False  # show the frames in a window, q ends; needs a display
    max_frames: int = 0  # stop after this many frames; 0 goes on to the end
    confidence: Confidence = None  # least score of a box; best (default, else .5), best-by-class: as stored
    nms_iou: float = 0.3  # of two boxes of a class that overlap more than this, the better one stays
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    seed: int = 0  # for what a model may draw at random; the networks here draw nothing


def main(config: Config) -> None:
    """Detect on every frame, and say how long each stage took."""
    if config.save is None and not config.show:
        raise ValueError("nothing to do with the result: give --save out.mp4, --show, or both")
    torch.manual_seed(config.seed)
    predictor = Predictor(
        config.weights,
        model=config.model,
        classes=config.classes,
        image_size=config.image_size,
        device=config.device,
        amp=config.amp,
        confidence=config.confidence,
        nms_iou=config.nms_iou,
    )
    print(describe(predictor.confidences, predictor.class_names))
    report(process_video(predictor, config.source, config.save, config.show, config.max_frames), config.save)


def report(result: VideoResult, save: Path | None) -> None:
    """Frames, objects, and milliseconds a frame by stage."""
    print(f"{result.frames} frames, {result.objects} objects")
    print(result.watch.describe(result.frames, "frame"))
    if save is not None:
        print(f"saved: {save}")


if __name__ == "__main__":
    run(main, Config)
