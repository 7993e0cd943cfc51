"""A model in an exported file, used as a checkpoint is: same letterbox before, same NMS after it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates
from utils.data.class_names import read_classes
from utils.inference.exported_metadata import HOST, ExportMetadata, LoadedRuntime
from utils.inference.onnx_runtime import open_onnx
from utils.inference.openvino_runtime import open_openvino
from utils.inference.torchscript_runtime import open_torchscript
from utils.system.device import Amp
from utils.system.validation import check_image_size
from utils.weights.file_kind import exported_kind

OPEN = {"onnx": open_onnx, "openvino": open_openvino, "torchscript": open_torchscript}


@dataclass(frozen=True)
class ExportedModel:
    """Anything that detects, see `utils.inference.detect.DetectorLike`, out of a file.

    image_size  height and width that images are letterboxed to
    """

    path: Path
    opened: LoadedRuntime
    image_size: tuple[int, int]

    @property
    def facts(self) -> ExportMetadata:
        """What the file says of itself."""
        return self.opened.facts

    @property
    def device(self) -> torch.device:
        """Where images are handed over, and candidates come back."""
        return self.opened.device

    @property
    def pixels(self) -> PixelFormat:
        """How images are letterboxed."""
        return self.facts.pixels

    @property
    def stride(self) -> int:
        """What the image size must be a multiple of."""
        return self.facts.stride

    def detect(self, images: Tensor) -> Candidates:
        """uint8 RGB [B, 3, H, W] -> boxes [B, A, 4] xyxy in pixels of the input, scores [B, A, C].

        ValueError for images of another size than the file is fixed to.
        """
        if self.facts.dynamic:
            return self.opened.run(images)
        if (images.shape[2], images.shape[3]) != self.facts.image_size:
            raise ValueError(_fixed(self.path, self.facts))
        single = [self.opened.run(image) for image in images.split(1)]
        boxes, scores = (torch.cat(parts) for parts in zip(*single, strict=True))
        return Candidates(boxes, scores)

    def describe(self) -> str:
        """One line for the log: what runs it, where, in which number format, with how many threads."""
        return f"device: {self.opened.runtime}, threads: {torch.get_num_threads()}"


def load_exported(
    path: str | Path,
    device: torch.device = HOST,
    amp: Amp = "auto",
    *,
    model: str | None = None,
    classes: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
) -> ExportedModel:
    """Open an exported model. `model` and `classes` need not be given; where they are, they must agree.

    ValueError if the file is missing, damaged, or not of ours; if what is given does not agree with it; or
    for an image size that it does not take.
    """
    path = Path(path)
    kind = exported_kind(path)
    if kind is None or not path.exists():
        raise ValueError(f"{path} does not exist" if kind else f"{path} is no exported model")
    opened = OPEN[kind](path, device, amp)
    facts = opened.facts
    if model not in (None, facts.model_name):
        raise ValueError(f"--model {model}: {path} holds {facts.model_name}; leave --model out")
    if classes is not None and read_classes(classes) != facts.class_names:
        raise ValueError(
            f"--classes {classes}: {path} names its classes itself, and others; leave --classes out"
        )
    size = image_size or facts.image_size
    if not facts.dynamic and size != facts.image_size:
        raise ValueError(f"--image-size {size[0]} {size[1]}: {_fixed(path, facts)}")
    check_image_size(size, facts.stride, facts.smallest)
    return ExportedModel(path, opened, size)


def _fixed(path: Path, facts: ExportMetadata) -> str:
    height, width = facts.image_size
    return (
        f"{path} takes images of {height} x {width} (height x width) alone: leave out --image-size and "
        "--rectangular, or export it with --dynamic, which takes any multiple of "
        f"{facts.stride} from {facts.smallest} on"
    )
