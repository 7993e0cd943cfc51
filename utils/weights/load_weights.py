"""Loads weights into a detector: tensors that fit are loaded, and a report lists the others."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nets import ZOO, Preset
from nets.backbones.timm_backbone import TIMM_PREFIX, from_timm
from nets.common.detector import Detector
from nets.published.published import from_published
from utils.data.class_names import read_classes
from utils.system.cli import ROOT
from utils.weights.class_transfer import (
    ClassTransfer,
    class_layers,
    fold_name,
    layer_class_counts,
    match_classes,
    model_shapes,
)
from utils.weights.load_report import LoadReport, PartReport, problems, report_fit, shortened
from utils.weights.match_by_order import match_by_order
from utils.weights.read_weights import Weights

COCO_CLASSES = ROOT / "model_data" / "coco_classes.txt"
NUM_COCO = 80  # classes in it


def load_weights(
    detector: Detector, weights: Weights, model: Preset, class_names: Sequence[str], strict: bool = False
) -> LoadReport:
    """Copy tensors with the same name and shape into `detector`, a `model` for `class_names`.

    If none of a part's tensor names is in the file, the part is matched by order and shape. Rows of class
    layers are matched by class name if the file's classes are known; new classes keep their initial rows.
    With `strict`, for prediction, every tensor must fit. ValueError if one does not, or if less than half of
    the backbone fits; the detector is then unchanged.
    """
    state, is_official = our_names(weights, model)
    ours = {name: value for name, value in detector.state_dict().items() if value.is_floating_point()}
    shapes = {name: value.shape for name, value in ours.items()}
    layers = class_layers(model, shapes, len(class_names))
    counts = layer_class_counts(state, layers)
    _check_consistent(weights, counts)
    known = None if strict else _known_classes(weights, counts, is_official)
    transfer = None if known is None else match_classes(known, class_names, layers)

    state, by_order = match_by_order(ours, state)
    report = report_fit(ours, state, transfer, class_names, by_order)
    _check_backbone(report.parts["backbone"], weights, model)
    if strict:
        _check_classes(weights, counts, class_names)
        _check_complete(report, weights, model)
    _check_finite(state, report, weights)
    _copy(ours, state, report, transfer)
    return report


def known_classes(weights: Weights, model: Preset) -> tuple[str, ...] | None:
    """Return the class names of weights for `model`, as stored or those of COCO; None if unknown."""
    if weights.class_names is not None:
        return weights.class_names
    state, is_official = our_names(weights, model)
    layers = class_layers(model, model_shapes(model, NUM_COCO), NUM_COCO)
    return _known_classes(weights, layer_class_counts(state, layers), is_official)


def our_names(weights: Weights, model: Preset) -> tuple[Mapping[str, Tensor], bool]:
    """Return the file's tensors under our names, and whether the file uses names of published weights."""
    try:
        official = from_published(weights.state, model.name)
    except ValueError as error:
        raise ValueError(f"{weights.path} does not fit {model.name}: {error}") from None
    if official is None and model.backbone.startswith(TIMM_PREFIX):
        return from_timm(weights.state, model_shapes(model, 1)), False
    return (weights.state, False) if official is None else (official, True)


def _known_classes(weights: Weights, counts: frozenset[int], is_official: bool) -> tuple[str, ...] | None:
    """Return the class names of a file with class layers for `counts` classes; None if unknown."""
    if weights.class_names is None and is_official and counts == {NUM_COCO}:
        return read_classes(COCO_CLASSES)
    return weights.class_names


def _check_consistent(weights: Weights, counts: frozenset[int]) -> None:
    """Raise ValueError if the file names another number of classes than its class layers have."""
    if weights.class_names is not None and counts and counts != {len(weights.class_names)}:
        raise ValueError(
            f"{weights.path} is inconsistent: it names {len(weights.class_names)} classes and has "
            f"class layers for {max(counts)}; save it again"
        )


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
    """Return the zoo model that the weights fit best, and the fraction of the model's tensors that fit."""
    fractions = {name: _fitting_fraction(weights, model) for name, model in ZOO.items()}
    best = max(fractions, key=lambda name: fractions[name])
    return best, fractions[best]


def _fitting_fraction(weights: Weights, model: Preset) -> float:
    try:
        state, _ = our_names(weights, model)
    except ValueError:
        return 0.0
    shapes = model_shapes(model, 1)  # class layers may not fit: they are few
    return sum(name in state and state[name].shape == shape for name, shape in shapes.items()) / len(shapes)


def _check_classes(weights: Weights, counts: frozenset[int], class_names: Sequence[str]) -> None:
    """Raise ValueError if the weights are for other classes than `class_names`."""
    theirs = weights.class_names
    if theirs is None:
        if counts and counts != {len(class_names)}:
            raise ValueError(
                f"{weights.path} has {max(counts)} classes, --classes names {len(class_names)}: "
                "give the class names that the weights were trained with"
            )
    elif [*map(fold_name, theirs)] != [*map(fold_name, class_names)]:
        raise ValueError(
            f"{weights.path} was trained for {len(theirs)} classes ({shortened(theirs)}), --classes names "
            f"{len(class_names)} ({shortened(class_names)}): leave --classes out, the file contains its own"
        )


def _check_complete(report: LoadReport, weights: Weights, model: Preset) -> None:
    """Raise ValueError if a tensor was not loaded, or a tensor of the file is unused."""
    misfits = [line for part in report.parts.values() for line in problems(part)]
    if report.unused:
        misfits.append(f"{len(report.unused)} that {model.name} does not have: {shortened(report.unused)}")
    if misfits:
        raise ValueError(f"{weights.path} does not fit {model.name}; tensors {'; '.join(misfits)}")


def _check_finite(state: Mapping[str, Tensor], report: LoadReport, weights: Weights) -> None:
    """Raise ValueError if a tensor to be loaded has NaN or infinity, also if only as float32."""
    names = [name for part in report.parts.values() for name in (*part.loaded, *part.by_class)]
    bad = [name for name in names if not state[name].float().isfinite().all()]
    if bad:
        raise ValueError(
            f"{weights.path} has NaN or infinite numbers in {len(bad)} of {len(names)} tensors "
            f"({shortened(bad)}): the training of it diverged, or the file is damaged; take another one"
        )


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
