"""Settings of a `Predictor`, which are flags of predict.py and video.py."""

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

    weights: Path  # file of train.py or export.py, .pt, .weights, or "pretrained" (needs --model)
    model: str | None = None  # model name, for weights without one
    classes: Path | None = None  # class names, one per line, for weights without them
    trust_weights: bool = False  # run the code in a TorchScript file, which can do all that you can
    image_size: Size | None = None  # input height and width in pixels; default: the training size
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # mixed precision: auto (where fast and accurate), off, bf16 or fp16
    confidence: Confidence = None  # score threshold; best, best-by-class: of get_map.py; default: best or .5
    class_confidence: ClassConfidence = field(default_factory=dict)  # per-class score thresholds: dog=0.3
    only: tuple[str, ...] = ()  # classes to detect; default: all
    nms_iou: Fraction = 0.3  # NMS IoU threshold, applied per class
    agnostic_nms: bool = False  # class-agnostic NMS: suppress overlapping boxes of different classes too
    rectangular: bool = False  # pad only to the batch's largest size; faster, nearly the same boxes
    max_detections: PositiveInt = 300  # maximum number of detections per image
