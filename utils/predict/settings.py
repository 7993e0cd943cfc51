"""The options of a `Predictor`, which predict.py and video.py have as flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from utils.images.types import Size
from utils.system.device import Amp
from utils.system.settings import Fraction, PositiveInt
from utils.weights.thresholds import Confidence, parse_class_confidence

ClassConfidence = Annotated[
    Mapping[str, float],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="[NAME=SCORE [NAME=SCORE ...]]",
        instance_from_str=parse_class_confidence,
        is_instance=lambda value: isinstance(value, Mapping),
        str_from_instance=lambda value: [f"{name}={score:g}" for name, score in value.items()],
    ),
]


@dataclass(frozen=True)
class PredictSettings:
    """Which detector finds objects, and which of its candidates become detections."""

    weights: Path  # checkpoint of train.py, file of export.py, other weights, or pretrained with --model
    model: str | None = None  # model name, for weights that do not store it
    classes: Path | None = None  # file with one class name per line, for weights that do not store them
    image_size: Size | None = None  # input height and width in pixels; default: as trained
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # mixed precision: auto (where it is fast and accurate), off, bf16 or fp16
    confidence: Confidence = None  # threshold, or best or best-by-class as stored; default: best, else .5
    class_confidence: ClassConfidence = field(default_factory=dict)  # thresholds of single classes: dog=0.3
    only: tuple[str, ...] = ()  # names of the classes to detect; default: all
    nms_iou: Fraction = 0.3  # NMS: of two boxes of a class with a higher IoU, the lower-scoring is suppressed
    agnostic_nms: bool = False  # class-agnostic NMS: suppress overlapping boxes of different classes too
    rectangular: bool = False  # pad less: cut the input to the batch's shapes; faster, nearly the same boxes
    max_detections: tyro.conf.Suppress[tyro.conf.Fixed[PositiveInt]] = 300  # per image; for Python, no flag
