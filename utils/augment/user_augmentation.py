"""The user's own augmentation, from a Python file: a function `augment`, or a transform of Albumentations."""

import os
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from utils.augment.box_transform import visible_boxes
from utils.augment.settings import Augmentation
from utils.data.targets import Objects, join_objects
from utils.data.types import Boxes, Image, Labels
from utils.system.files import read_text

MODULE = "boxwright_augment_file"  # the name under which the file's code runs
SIGNATURE = "augment(image, boxes, labels, rng)"
Augment = Callable[[Image, Boxes, Labels, np.random.Generator], Any]


@dataclass(frozen=True)
class UserAugmentation:
    """A file of the user's, read once: a run does not change when the file does. It can be pickled.

    The file defines `augment(image, boxes, labels, rng) -> (image, boxes, labels)`, with an image uint8
    [H, W, 3] in RGB, boxes float32 [N, 4], xyxy in its pixels, labels int64 [N] and a NumPy generator; or
    `transform`, a Compose of Albumentations (https://albumentations.ai) without bbox_params.
    """

    path: str
    source: str

    def apply(
        self,
        images: np.ndarray,
        objects: Objects,
        settings: Augmentation,
        generators: Sequence[np.random.Generator],
        names: Sequence[object],
        classes: int,
    ) -> Objects:
        """Augment images uint8 [B, H, W, 3] in place; return their objects, clipped to the images.

        Objects that are hardly visible are dropped, as by our own augmentation.

        generators  random generators, one per sample
        names       names of the samples, for error messages
        classes     number of classes

        ValueError that names the file, the line if known, and the sample, if the code fails or returns
        anything else than it should.
        """
        augment, parts = compiled(self), []
        for sample, (image, rng, name) in enumerate(zip(images, generators, names, strict=True)):
            mine = objects.of(objects.sample == sample)
            try:
                returned = augment(image, mine.boxes.astype(np.float32), mine.labels.copy(), rng)
            except Exception as error:
                raise ValueError(f"{_raised(self.path, error)}, with {name}") from error
            try:
                changed, boxes, labels = _checked(returned, image.shape, classes)
            except ValueError as error:
                raise ValueError(f"--augment-file {self.path}: {error}; with {name}") from None
            np.copyto(image, changed)
            parts.append((boxes, labels))
        changed_objects = join_objects(parts)
        height, width = images.shape[1:3]
        areas = np.tile(np.array([0.0, 0.0, width, height]), (len(changed_objects.labels), 1))
        clipped, visible = visible_boxes(changed_objects.boxes, areas, settings)
        return changed_objects._replace(boxes=clipped).of(visible)


def read_user_augmentation(path: str) -> UserAugmentation | None:
    """Read the file of --augment-file and run it once; None for "". ValueError with the fix."""
    if not path:
        return None
    if not Path(path).is_file():
        raise ValueError(f"--augment-file: there is no file {Path(path).absolute()}")
    user = UserAugmentation(path, read_text(Path(path)))
    compiled(user)
    return user


@lru_cache(maxsize=1)
def compiled(user: UserAugmentation) -> Augment:
    """Run the file's code, once in each process, and return its function."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the network for a newer one
    module = ModuleType(MODULE)
    module.__file__ = user.path
    sys.modules[MODULE] = module  # where dataclasses, for one, look it up
    try:
        exec(compile(user.source, user.path, "exec"), module.__dict__)
    except SyntaxError as error:
        raise ValueError(f"--augment-file {user.path}, line {error.lineno}: {error.msg}") from None
    except ModuleNotFoundError as error:
        raise ValueError(f"{_raised(user.path, error)}; install it") from error
    except (Exception, SystemExit) as error:
        raise ValueError(_raised(user.path, error)) from error
    augment, transform = getattr(module, "augment", None), getattr(module, "transform", None)
    if augment is None and transform is not None:
        return _albumentations(transform, user.path)
    if not callable(augment):
        raise ValueError(
            f"--augment-file {user.path} defines neither a function {SIGNATURE} nor a transform, "
            "albumentations.Compose([...])"
        )
    return augment


def _albumentations(transform: Any, path: str) -> Augment:
    """Return the transform of Albumentations as a function; all its randomness comes from the generator."""
    library = sys.modules.get("albumentations")
    if library is None or not isinstance(transform, library.Compose):
        raise ValueError(f"--augment-file {path}: transform must be albumentations.Compose([...])")
    if transform.processors:
        raise ValueError(
            f"--augment-file {path}: omit bbox_params and keypoint_params of transform; boxes and labels are "
            "added to it"
        )
    visibility = Augmentation.min_visibility
    box_params = library.BboxParams(
        "pascal_voc", ["labels"], min_visibility=visibility, clip=True, filter_invalid_bboxes=True
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got processor for bboxes")  # the transform changes pixels alone
        whole = library.Compose([transform], bbox_params=box_params)

    def augment(image: Image, boxes: Boxes, labels: Labels, rng: np.random.Generator) -> Any:
        whole.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        result = whole(image=image, bboxes=boxes, labels=labels)
        return result["image"], result["bboxes"], result["labels"]

    return augment


def _checked(returned: Any, shape: tuple[int, ...], classes: int) -> tuple[Image, Boxes, Labels]:
    """Return image, boxes float64 [N, 4] and labels int64 [N]; ValueError if they are anything else."""
    if not isinstance(returned, tuple | list) or len(returned) != 3:
        raise ValueError(f"{SIGNATURE} must return (image, boxes, labels), not {_kind(returned)}")
    image = returned[0]
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != shape:
        raise ValueError(f"the image must stay uint8 {[*shape]}, but {_kind(image)} was returned")
    boxes, labels = _array(returned[1], "boxes"), _array(returned[2], "labels")
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be [N, 4], but {[*boxes.shape]} was returned")
    if labels.shape != (len(boxes),):
        raise ValueError(f"{len(boxes)} boxes need as many labels, but {[*labels.shape]} was returned")
    if not np.isfinite(boxes).all():
        raise ValueError("boxes must be finite numbers")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        box = boxes[(boxes[:, 2:] < boxes[:, :2]).any(1)][0].round(1).tolist()
        raise ValueError(f"boxes must be x1, y1, x2, y2 with x1 <= x2 and y1 <= y2, not {box}")
    if not ((labels >= 0) & (labels < classes) & (labels == labels.round())).all():
        raise ValueError(f"labels must be whole numbers from 0 to {classes - 1}, not {labels.tolist()}")
    return image, boxes, labels.astype(np.int64)


def _array(value: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be an array of numbers, but {_kind(value)} was returned") from None


def _kind(value: Any) -> str:
    """Return what a value is, in words for a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {[*value.shape]}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__


def _raised(path: str, error: BaseException) -> str:
    """Return where in the file an exception was raised, as far as known, and what it was, on one line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    inside = "" if not frames or frames[-1].name == "<module>" else f", in {frames[-1].name}"
    where = f", line {frames[-1].lineno}{inside}" if frames else ", in transform"
    return f"--augment-file {path}{where}: {type(error).__name__} ({' '.join(str(error).split())})"
