"""What an exported file says of itself: one JSON text in it, whatever its format. One writer, one reader."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates
from utils.system.cli import ROOT
from utils.weights.thresholds import KEY, Thresholds, stored_thresholds

NAME = "boxwright"  # of the entry in ONNX's metadata, OpenVINO's rt_info and TorchScript's extra files

INPUT = "images"
CANDIDATES = ("candidate_boxes", "candidate_scores")  # what our own backends fetch

HOST = torch.device("cpu")

EXTRA_FILE = f"{NAME}.json"


@dataclass(frozen=True)
class ExportMetadata:
    """All that using an exported file needs; the names are those of the entries in the JSON text.

    image_size      height and width that it was exported for
    dynamic         whether it takes any number of images, of any size that is a multiple of `stride`;
                    else one image of `image_size` at a time
    letterbox       whether it takes an image of any size, and letterboxes itself
    nms             whether it has outputs after NMS
    pixels          how images are letterboxed; the rest of it is part of the graph
    thresholds      the scores with the best F1, where the checkpoint had them
    confidence, nms_iou, max_detections  what the NMS of the graph was made with
    bfloat16        whether that leaves what it finds about as it is
    device          where it runs: "any", or the kind of device that TorchScript was traced on
    weights_licence that of the published weights, if it is they
    """

    model_name: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    stride: int
    smallest: int
    pixels: PixelFormat
    thresholds: Thresholds | None
    dynamic: bool
    letterbox: bool
    nms: bool
    confidence: float
    nms_iou: float
    max_detections: int
    device: str = "any"
    bfloat16: bool = True
    weights_licence: str | None = None

    def to_json(self) -> str:
        """The JSON text, with Chinese as it is."""
        content = asdict(self)
        content["pixels"] = self.pixels._asdict()
        content[KEY] = None if self.thresholds is None else self.thresholds._asdict()
        return json.dumps(
            {"version": boxwright_version(), "licence": "Apache-2.0"} | content, ensure_ascii=False
        )


def facts_from_json(text: str, path: Path) -> ExportMetadata:
    """The facts that a file at `path` holds as JSON; ValueError if they are not what `to_json` wrote."""
    try:
        content: dict[str, Any] = json.loads(text)
        kept = {name: content[name] for name in ExportMetadata.__dataclass_fields__ if name in content}
        pixels: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in kept["pixels"].items()
        }
        height, width = kept["image_size"]
        kept |= {
            "class_names": tuple(map(str, kept["class_names"])),
            "image_size": (int(height), int(width)),
            "pixels": PixelFormat(**pixels),
            "thresholds": stored_thresholds(content),
        }
        return ExportMetadata(**kept)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"what {path} says of its classes and sizes cannot be read: it is damaged, or another version of "
            "Boxwright wrote it; export it again"
        ) from None


def boxwright_version() -> str:
    """Boxwright's version."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@dataclass(frozen=True)
class LoadedRuntime:
    """What the file says of itself, and how it runs.

    run      uint8 RGB [B, 3, H, W] on `device` -> boxes and scores before NMS, there too
    device   where images are handed over; a runtime may have a GPU and still take them from the host
    runtime  what runs it, where, and in which number format, for the log
    """

    facts: ExportMetadata
    run: Callable[[Tensor], Candidates]
    device: torch.device
    runtime: str
