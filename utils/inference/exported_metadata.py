"""Metadata of exported files: one JSON text in each, whatever its format; written and read here alone."""

import json
import tomllib
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nets.common.preprocess import PixelFormat
from utils.data.types import Size
from utils.system.cli import ROOT
from utils.weights.thresholds import THRESHOLDS_KEY, Thresholds, stored_thresholds

METADATA_KEY = "boxwright"  # of the JSON text in ONNX's metadata and OpenVINO's rt_info
EXTRA_FILE = f"{METADATA_KEY}.json"  # its name among TorchScript's extra files

INPUT_NAME = "images"
CANDIDATE_OUTPUTS = ("candidate_boxes", "candidate_scores")  # before NMS: what our own runtimes fetch


@dataclass(frozen=True)
class ExportMetadata:
    """All that is needed to use an exported file; field names are the keys of the JSON text.

    image_size      height and width that it was exported for
    dynamic         whether it takes batches of any length and sizes that are multiples of `stride`; if not,
                    it takes one image of `image_size` at a time
    smallest        least height and width of the input
    letterbox       whether it takes one image of any size and letterboxes it itself
    nms             whether it has outputs after NMS too
    pixels          how images are letterboxed; scaling and normalisation are part of the graph
    thresholds      the confidences with the best F1, if the checkpoint had them
    confidence, nms_iou, max_detections  settings of the NMS in the graph
    bfloat16        whether its detections stay about the same when it is computed in bfloat16
    device          where it runs: "any", or the device type that TorchScript was traced on
    weights_licence licence of the published weights, if it was exported from them
    """

    model_name: str
    class_names: tuple[str, ...]
    image_size: Size
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

    def accepts(self, size: Size) -> bool:
        """Whether the file takes inputs of this size (height, width)."""
        if self.dynamic:
            return all(side % self.stride == 0 for side in size)
        return size == self.image_size

    def to_json(self) -> str:
        """The JSON text; class names keep their non-ASCII characters."""
        content = asdict(self)
        content["pixels"] = self.pixels._asdict()
        content[THRESHOLDS_KEY] = None if self.thresholds is None else self.thresholds._asdict()
        return json.dumps(
            {"version": boxwright_version(), "licence": "Apache-2.0"} | content, ensure_ascii=False
        )


def read_metadata(
    text: str | None, path: Path, outputs: Collection[str] = CANDIDATE_OUTPUTS
) -> ExportMetadata:
    """The metadata of the exported file at `path`, which has these outputs.

    `text` is its JSON text, None or empty if it has none. ValueError if the file was not written by
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
    """The metadata in a JSON text of the file at `path`; ValueError if `to_json` did not write it."""
    try:
        content: dict[str, Any] = json.loads(text)
        fields = {name: content[name] for name in ExportMetadata.__dataclass_fields__ if name in content}
        pixels: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields["pixels"].items()
        }
        height, width = fields["image_size"]
        fields |= {
            "class_names": tuple(map(str, fields["class_names"])),
            "image_size": (int(height), int(width)),
            "pixels": PixelFormat(**pixels),
            "thresholds": stored_thresholds(content),
        }
        return ExportMetadata(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"the metadata of {path} cannot be read: the file is damaged, or another version of Boxwright "
            "wrote it; export it again"
        ) from None


def boxwright_version() -> str:
    """Boxwright's version."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
