"""An exported model used in place of a checkpoint, with the same letterbox before it and NMS after it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates
from utils.data.class_names import read_classes
from utils.data.types import Size
from utils.inference.exported_metadata import ExportMetadata
from utils.inference.loaded_runtime import HOST, LoadedRuntime
from utils.inference.onnx_runtime import load_onnx
from utils.inference.openvino_runtime import load_openvino
from utils.inference.torchscript_runtime import load_torchscript
from utils.system.device import Amp
from utils.system.validation import check_image_size
from utils.weights.checkpoint_schema import naming
from utils.weights.file_kind import exported_kind

LOADERS = {"onnx": load_onnx, "openvino": load_openvino, "torchscript": load_torchscript}


@dataclass(frozen=True)
class ExportedModel:
    """An exported file as a `utils.inference.detect.DetectorLike`.

    image_size  height and width that images are letterboxed to
    """

    path: Path
    runtime: LoadedRuntime
    image_size: Size

    @property
    def metadata(self) -> ExportMetadata:
        """The metadata of the file."""
        return self.runtime.metadata

    @property
    def device(self) -> torch.device:
        """The device of the input images and of the returned candidates."""
        return self.runtime.device

    @property
    def pixels(self) -> PixelFormat:
        """The pixel format for the letterbox."""
        return self.metadata.pixels

    @property
    def stride(self) -> int:
        """The stride: input height and width must be multiples of it."""
        return self.metadata.stride

    def accepts(self, size: Size) -> bool:
        """Return whether inputs of this size (height, width) are accepted."""
        return self.metadata.accepts(size)

    def eval(self) -> "ExportedModel":
        """Return the model itself: an exported file has no training mode."""
        return self

    def detect(self, images: Tensor) -> Candidates:
        """Return boxes [B, A, 4] xyxy (input pixels), scores [B, A, C] for uint8 RGB images [B, 3, H, W].

        ValueError if the file has a fixed input size and the images have another.
        """
        if self.metadata.dynamic:
            return self._run(images)
        if not self.accepts((images.shape[2], images.shape[3])):
            raise ValueError(_fixed_size_message(self.path, self.metadata))
        single = [self._run(image) for image in images.split(1)]
        boxes, scores = (torch.cat(parts) for parts in zip(*single, strict=True))
        return Candidates(boxes, scores)

    def _run(self, images: Tensor) -> Candidates:
        """Run the file; ValueError if it fails, or returns something else than boxes and scores."""
        try:
            boxes, scores = self.runtime.run(images)
        except Exception as error:  # the runtimes' exceptions have no common base class
            raise ValueError(f"{self.path} cannot be run: {_first_line(error)}; export it again") from None
        if problem := _problem(boxes, scores, len(images), len(self.metadata.class_names)):
            raise ValueError(f"{self.path} contradicts itself: {problem}; export it again")
        return Candidates(boxes, scores)

    def describe(self) -> str:
        """Return one line for the log: runtime, device, number format and number of threads."""
        return f"device: {self.runtime.description}, threads: {torch.get_num_threads()}"


def load_exported(
    path: str | Path,
    device: torch.device = HOST,
    amp: Amp = "auto",
    *,
    model: str | None = None,
    classes: str | Path | None = None,
    image_size: Size | None = None,
    trust: bool = False,
) -> ExportedModel:
    """Load an exported model. `model` and `classes` are optional; if given, they must match the file.

    ValueError if the file is missing, damaged or not written by `export.py`, does not match `model` or
    `classes`, or does not accept `image_size`; and for TorchScript, which can run any code, without `trust`.
    """
    path = Path(path)
    kind = exported_kind(path)
    if kind is None or not path.exists():
        raise ValueError(f"{path} does not exist" if kind else f"{path} is not an exported model")
    if kind == "torchscript" and not trust:
        raise ValueError(_untrusted_message(path))
    runtime = LOADERS[kind](path, device, amp)
    metadata = runtime.metadata
    if model not in (None, metadata.model_name):
        raise ValueError(f"--model {model}: {path} holds {metadata.model_name}; leave --model out")
    if classes is not None and read_classes(classes) != metadata.class_names:
        raise ValueError(
            f"--classes {classes}: {path} has its own class names, and they differ; leave --classes out"
        )
    size = image_size or metadata.image_size
    with naming(path):
        check_image_size(metadata.image_size, metadata.stride, metadata.smallest)
    if not metadata.dynamic and size != metadata.image_size:
        raise ValueError(f"--image-size {size[0]} {size[1]}: {_fixed_size_message(path, metadata)}")
    check_image_size(size, metadata.stride, metadata.smallest)
    return ExportedModel(path, runtime, size)


def _problem(boxes: Any, scores: Any, number: int, classes: int) -> str:
    """Return what is wrong with the candidates of `number` images; empty if nothing is."""
    if not all(isinstance(part, Tensor) and part.dtype == torch.float32 for part in (boxes, scores)):
        return "it does not return boxes and scores in float32"
    anchors = boxes.shape[1] if boxes.ndim == 3 else 0
    if boxes.shape != (number, anchors, 4) or scores.shape != (number, anchors, classes):
        shapes = f"boxes {[*boxes.shape]} and scores {[*scores.shape]}"
        return f"for {number} images and its {classes} class names it returns {shapes}"
    return "its scores are not numbers" if scores.isnan().any() else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _untrusted_message(path: Path) -> str:
    return (
        f"{path} is a TorchScript file, which is a program: loading it runs its code, which may read and "
        "overwrite all files that you may, and nothing inside proves who wrote it. Give --trust-weights "
        "(in Python trust_weights=True) if you trust whoever it is from; or give the checkpoint, or its "
        "ONNX or OpenVINO export, which hold no such code"
    )


def _fixed_size_message(path: Path, metadata: ExportMetadata) -> str:
    height, width = metadata.image_size
    return (
        f"{path} only takes images of {height} x {width} (height x width): leave out --image-size and "
        "--rectangular, or export it with --dynamic, which allows any multiple of "
        f"{metadata.stride} from {metadata.smallest} on"
    )
