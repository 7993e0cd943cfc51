"""Metadata of exported files: a JSON text, the same in every format, which is written and read only here."""

import json
import math
import tomllib
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from nets.common.preprocess import PixelFormat
from utils.data.class_names import class_names_of
from utils.data.types import Size
from utils.system.cli import ROOT
from utils.system.files import read_failure
from utils.system.schema import conform
from utils.system.settings import Fraction, PositiveFraction, PositiveInt, Range
from utils.weights.checkpoint_schema import Name, Side, check_thresholds
from utils.weights.thresholds import THRESHOLDS_KEY, Thresholds

METADATA_KEY = "boxwright"  # key of the JSON text in ONNX's metadata and OpenVINO's rt_info
EXTRA_FILE = f"{METADATA_KEY}.json"  # name of the JSON text among TorchScript's extra files

INPUT_NAME = "images"
Device = Annotated[str, Range("any, cpu or cuda", lambda device: device in ("any", "cpu", "cuda"))]
CANDIDATE_OUTPUTS = ("candidate_boxes", "candidate_scores")  # before NMS; our own runtimes fetch only these


@dataclass(frozen=True)
class ExportMetadata:
    """All that is needed to use an exported file; field names are the keys of the JSON text.

    image_size      height and width of the input, as exported
    dynamic         whether any batch size is accepted, and any image size that is a multiple of `stride`; if
                    not, the input is one image of `image_size`
    smallest        minimum height and width of the input
    letterbox       whether the letterbox is in the graph, which then takes one image of any size
    nms             whether there are outputs after NMS too
    pixels          pixel format for the letterbox; scaling and normalisation are part of the graph
    thresholds      confidence thresholds of best F1; None if the checkpoint has none
    confidence, nms_iou, max_detections  settings of the NMS in the graph
    bfloat16        whether detections in bfloat16 are about the same
    device          "any", or the device type that a TorchScript file was traced on
    weights_licence licence of the published weights, if they were exported
    """

    model_name: Name
    class_names: tuple[str, ...]
    image_size: tuple[Side, Side]
    stride: Side
    smallest: Side
    pixels: PixelFormat
    thresholds: Thresholds | None
    dynamic: bool
    letterbox: bool
    nms: bool
    confidence: Fraction
    nms_iou: PositiveFraction
    max_detections: PositiveInt
    device: Device = "any"
    bfloat16: bool = True
    weights_licence: str | None = None

    def accepts(self, size: Size) -> bool:
        """Return whether inputs of this size (height, width) are accepted."""
        if self.dynamic:
            return all(side % self.stride == 0 for side in size)
        return size == self.image_size

    def to_json(self) -> str:
        """Return the JSON text; class names keep their non-ASCII characters."""
        content = asdict(self)
        content["pixels"] = self.pixels._asdict()
        content[THRESHOLDS_KEY] = None if self.thresholds is None else self.thresholds._asdict()
        return json.dumps(
            {"version": boxwright_version(), "licence": "Apache-2.0"} | content, ensure_ascii=False
        )


def read_metadata(
    text: str | None, path: Path, outputs: Collection[str] = CANDIDATE_OUTPUTS
) -> ExportMetadata:
    """Check the output names of the exported file at `path`, and return the file's metadata.

    `text` is the JSON text in the file, None or empty without one. ValueError if the file was not written by
    `export.py`.
    """
    missing = [f"the output {name}" for name in CANDIDATE_OUTPUTS if name not in outputs]
    missing += [] if text else ["class names and sizes"]
    if missing or not text:
        raise ValueError(
            f"{path} was not written by export.py: it lacks {', '.join(missing)}. Export the checkpoint that "
            "it was made from with export.py"
        )
    return metadata_from_json(text, path)


def metadata_from_json(text: str, path: Path) -> ExportMetadata:
    """Parse the metadata from the JSON text of the file at `path`; ValueError unless `to_json` wrote it."""
    try:
        metadata: ExportMetadata = conform(json.loads(text), ExportMetadata)
        metadata = replace(metadata, class_names=class_names_of(metadata.class_names, "class_names"))
        check_thresholds(metadata.thresholds, metadata.class_names)
        _check_pixels(metadata.pixels)
    except (ValueError, RecursionError) as error:  # brackets within brackets, thousands of them
        raise ValueError(
            f"the metadata of {path} cannot be read ({read_failure(error)}): the file is damaged, or another "
            "version of Boxwright wrote it; export it again"
        ) from None
    return metadata


def _check_pixels(pixels: PixelFormat) -> None:
    """Raise ValueError for a pixel format that no network has."""
    divisors = (pixels.scale, *pixels.std)
    if not (all(0 < number < math.inf for number in divisors) and 0 <= pixels.pad_value <= 255):
        raise ValueError("pixels: scale and std are above 0, and pad_value is from 0 to 255")


def boxwright_version() -> str:
    """Return Boxwright's version."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
