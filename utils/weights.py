"""Weights from a file into a detector: what fits is loaded, and a report says what does not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nets import ZOO, Preset
from nets.detector import Detector
from nets.official import DARKNET, from_official
from nets.timm_backbone import PREFIX, from_timm
from utils.checkpoint import check_is_file, damaged, load_torch_file
from utils.class_transfer import (
    ClassTransfer,
    class_counts,
    class_layers,
    fold_name,
    match_classes,
    model_shapes,
)
from utils.classes import read_classes
from utils.cli import ROOT
from utils.darknet_file import read_darknet
from utils.exported_kind import refuse_exported
from utils.load_report import LoadReport, PartReport, compare, problems, shortened
from utils.order_match import match_by_order
from utils.thresholds import Thresholds, stored_thresholds

COCO_CLASSES = ROOT / "model_data" / "coco_classes.txt"
_WRAPPERS = ("module.", "model.")  # what DataParallel and wrapping classes put before all names
_COMPILED = "_orig_mod."  # what torch.compile puts into them
# Where checkpoints keep their weights, averaged ones first.
_KEYS = ("ema", "model_ema", "ema_state_dict", "model", "state_dict", "model_state_dict", "module")


@dataclass(frozen=True)
class Weights:
    """What a weights file holds.

    state  floating tensors under the names of the file
    class_names, model_name, image_size (height, width)  None where the file does not say
    parts  names of parts that differ from the model's own, and its anchors
    thresholds  the scores with the best F1, where they were stored
    """

    path: Path
    state: Mapping[str, Tensor]
    class_names: tuple[str, ...] | None = None
    model_name: str | None = None
    image_size: tuple[int, int] | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Thresholds | None = None


def read_weights(path: str | Path) -> Weights:
    """Read `.safetensors`, a Darknet `.weights`, or what `torch.save` wrote: a checkpoint or a state dict.

    Of a checkpoint it takes the averaged weights, if it has any. ValueError if the file is missing, damaged,
    unsafe to load, or holds no tensors.
    """
    path = Path(path)
    refuse_exported(path, "cannot be trained or changed")
    if path.suffix.lower() == ".weights":
        return Weights(path, {DARKNET: read_darknet(path)})
    safe = path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if safe else load_torch_file(path, mmap=True)
    content = content if isinstance(content, Mapping) else {}
    state = _unwrapped(_tensors_in(content))
    if not state:
        raise ValueError(f"{path} holds no weights: give a checkpoint, or a state dict saved with torch.save")
    return Weights(path, state, *_metadata(content), stored_thresholds(content))


def _tensors_in(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The floating tensors of a checkpoint's model, however deep in it; or of the mapping itself."""
    for key in _KEYS:
        if isinstance(content.get(key), Mapping) and (found := _tensors_in(content[key])):
            return found
    return {
        str(name).replace(_COMPILED, ""): value
        for name, value in content.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors without what stands before all of their names."""
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def load_weights(
    detector: Detector, weights: Weights, model: Preset, class_names: Sequence[str], strict: bool = False
) -> LoadReport:
    """Copy into `detector`, a `model` for `class_names`, what fits in name and shape.

    Where the file has none of a part's names, what fits in order and shape. Rows of the class layers follow
    the names of their classes where the file's are known; classes that it lacks stay as they are. With
    `strict`, for prediction, everything has to fit, row by row. ValueError if that fails, or if less than
    half of the backbone fits; the detector is then unchanged.
    """
    state, is_official = our_names(weights, model)
    layers = class_layers(model)
    counts = class_counts(state, layers)
    known = _known_classes(weights, counts, is_official)
    transfer = None if known is None or strict else match_classes(known, class_names, layers)

    ours = {name: value for name, value in detector.state_dict().items() if value.is_floating_point()}
    state, by_order = match_by_order(ours, state)
    report = compare(ours, state, transfer, class_names, by_order)
    _check_backbone(report.parts["backbone"], weights, model)
    if strict:
        _check_classes(weights, counts, class_names)
        _check_complete(report, weights, model)
    _copy(ours, state, report, transfer)
    return report


def known_classes(weights: Weights, model: Preset) -> tuple[str, ...] | None:
    """Names of the classes that the weights detect, as `model`; None if that cannot be known."""
    state, is_official = our_names(weights, model)
    return _known_classes(weights, class_counts(state, class_layers(model)), is_official)


def our_names(weights: Weights, model: Preset) -> tuple[Mapping[str, Tensor], bool]:
    """The file's tensors under our names, and whether it is in the format of published weights."""
    try:
        official = from_official(weights.state, model.name)
    except ValueError as error:
        raise ValueError(f"{weights.path} does not fit {model.name}: {error}") from None
    if official is None and model.backbone.startswith(PREFIX):
        return from_timm(weights.state, model_shapes(model, 1)), False
    return (weights.state, False) if official is None else (official, True)


def _known_classes(weights: Weights, counts: frozenset[int], is_official: bool) -> tuple[str, ...] | None:
    """Names of the classes that a file's class layers are for, if that can be known."""
    if weights.class_names is None:
        return read_classes(COCO_CLASSES) if is_official and counts == {80} else None
    if counts and counts != {len(weights.class_names)}:
        raise ValueError(
            f"{weights.path} contradicts itself: it names {len(weights.class_names)} classes and has "
            f"class layers for {max(counts)}; save it again"
        )
    return weights.class_names


def _check_backbone(backbone: PartReport, weights: Weights, model: Preset) -> None:
    if 2 * len(backbone.loaded) >= backbone.tensors:
        return
    best, fraction = best_fit(weights)
    if best != model.name and fraction > 0.9:
        raise ValueError(f"{weights.path} holds weights of {best}, not of {model.name}: use --model {best}")
    raise ValueError(
        f"{weights.path} holds no weights of {model.name}: only {len(backbone.loaded)} of {backbone.tensors} "
        "tensors of the backbone fit; give another file as --weights, or the model it was made for as --model"
    )


def best_fit(weights: Weights) -> tuple[str, float]:
    """The zoo's model that the weights fit best, and the fraction of its tensors that fit."""
    fractions = {name: _fitting_share(weights, model) for name, model in ZOO.items()}
    best = max(fractions, key=lambda name: fractions[name])
    return best, fractions[best]


def _fitting_share(weights: Weights, model: Preset) -> float:
    try:
        state, _ = our_names(weights, model)
    except ValueError:
        return 0.0
    shapes = model_shapes(model, 1)  # class layers count as misfits: they are few
    return sum(name in state and state[name].shape == shape for name, shape in shapes.items()) / len(shapes)


def _check_classes(weights: Weights, counts: frozenset[int], class_names: Sequence[str]) -> None:
    """ValueError if weights to predict with are for other classes than `class_names`."""
    theirs = weights.class_names
    if theirs is None:
        if counts and counts != {len(class_names)}:
            raise ValueError(
                f"{weights.path} has {max(counts)} classes, --classes names {len(class_names)}: "
                "give the class list that the weights were trained with"
            )
    elif [*map(fold_name, theirs)] != [*map(fold_name, class_names)]:
        raise ValueError(
            f"{weights.path} was trained for {len(theirs)} classes ({shortened(theirs)}), --classes names "
            f"{len(class_names)} ({shortened(class_names)}): leave --classes out, the file knows its own"
        )


def _check_complete(report: LoadReport, weights: Weights, model: Preset) -> None:
    """ValueError if weights to predict with leave a tensor as it was, or have some left over."""
    misfits = [line for part in report.parts.values() for line in problems(part)]
    if report.unused:
        misfits.append(f"{len(report.unused)} that {model.name} does not have: {shortened(report.unused)}")
    if misfits:
        raise ValueError(f"{weights.path} does not fit {model.name}; tensors {'; '.join(misfits)}")


@torch.no_grad()
def _copy(
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    report: LoadReport,
    transfer: ClassTransfer | None,
) -> None:
    for part in report.parts.values():
        for name in (*part.loaded, *part.by_class):
            if transfer is not None and name in transfer.layers:
                transfer.copy(name, theirs[name], ours[name])
            else:
                ours[name].copy_(theirs[name])


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Tensors under "model", and the metadata beside them: strings, lists among them as JSON."""
    check_is_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
            metadata = file.metadata() or {}
    except SafetensorError:
        raise ValueError(damaged(path)) from None
    return {"model": state} | {key: _parsed(value) for key, value in metadata.items() if key != "model"}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _metadata(
    content: Mapping[str, Any],
) -> tuple[tuple[str, ...] | None, str | None, tuple[int, int] | None, Mapping[str, Any]]:
    """Class names, model name, image size, parts; None for what the file does not say, or says otherwise."""
    names, model, size = content.get("class_names"), content.get("model_name"), content.get("image_size")
    parts = content.get("model_parts")
    return (
        tuple(names) if isinstance(names, list | tuple) and {*map(type, names)} == {str} else None,
        model if isinstance(model, str) else None,
        (size[0], size[1]) if isinstance(size, list | tuple) and [*map(type, size)] == [int, int] else None,
        parts if isinstance(parts, Mapping) else {},
    )
