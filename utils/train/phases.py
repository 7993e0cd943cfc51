"""A run as data: phases with their epochs, batch size, learning rate, frozen parts and augmentation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from nets.common.detector import Detector
from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.train.defaults import suggest_epochs, suggest_freeze_epochs
from utils.train.freezing import describe_frozen, freeze
from utils.train.optimizer import OptimizerName
from utils.train.settings import OptimizerSettings, PhaseSettings


@dataclass(frozen=True)
class Phase:
    """A stretch of training during which nothing but the learning rate's decay changes.

    epochs         how many
    batch_size     images a step
    learning_rate  the peak, already scaled for the batch
    frozen         parts, or first stages of the backbone, that do not train (`utils/train/freezing.py`)
    augmentation   what is varied in the images
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    frozen: tuple[str, ...]
    augmentation: Augmentation

    def describe(self) -> str:
        """One line that says what trains and how."""
        frozen = describe_frozen(self.frozen)
        if self.batch_size == 1:
            frozen += ", BatchNorm statistics still"
        varied = _describe_augmentation(self.augmentation)
        return (
            f"phase '{self.name}': {self.epochs} epochs, batch {self.batch_size}, peak learning rate "
            f"{self.learning_rate:.3g}; {frozen}; {varied}"
        )


def plan_phases(
    epochs: int, freeze_epochs: int, clean_share: float, frozen: Phase, unfrozen: Phase
) -> tuple[Phase, ...]:
    """Split a run of `epochs` epochs: the first `freeze_epochs` frozen, the last `clean_share` of all clean.

    Images are clean at the end, without mosaic, mixup, copy-paste and cut-out, so that the network's last
    impression is of images as they are: a mosaic has more and smaller objects, cut at the seams.
    """
    if not 0 <= freeze_epochs <= epochs:
        raise ValueError(f"--freeze-epochs is {freeze_epochs}: it is from 0 to --epochs, which is {epochs}")
    clean_start = epochs - round(epochs * clean_share)
    spans = [
        (replace(frozen, epochs=0), 0, freeze_epochs),
        (replace(unfrozen, epochs=0), freeze_epochs, epochs),
    ]
    phases = []
    for phase, start, end in spans:
        middle = min(max(clean_start, start), end)
        phases.append(replace(phase, epochs=middle - start))
        clean = replace(phase.augmentation, mosaic=0.0, mixup=0.0, copy_paste=0.0, cut_out=0.0)
        phases.append(replace(phase, name=f"{phase.name}, clean", epochs=end - middle, augmentation=clean))
    return tuple(phase for phase in phases if phase.epochs)


def apply_freezing(detector: Detector, phase: Phase) -> None:
    """Put the detector into training, and what the phase freezes to rest.

    Call it again after evaluation: `train()` would set the frozen BatchNorms moving. With one image a step
    all BatchNorms keep their statistics: those of a single image are no measure of the others.
    """
    freeze(detector, phase.frozen)
    if phase.batch_size == 1:
        for module in detector.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def phase_at(phases: Sequence[Phase], epoch: int) -> Phase:
    """The phase of epoch number `epoch`, counted from 0."""
    for phase in phases:
        if epoch < phase.epochs:
            return phase
        epoch -= phase.epochs
    raise AssertionError("the epoch lies beyond the last phase")


def _describe_augmentation(augmentation: Augmentation) -> str:
    if augmentation == NO_AUGMENTATION:
        return "no augmentation"
    low, high = augmentation.scale
    parts = [
        *_strengths(augmentation, "mosaic", "mixup", "copy_paste", "cut_out"),
        f"scale {low:g} to {high:g}",
        *_strengths(augmentation, "translate", "rotation", "shear", "flip", "multi_scale"),
    ]
    colour = augmentation.hue or augmentation.saturation or augmentation.brightness
    return ", ".join([*parts, "colour"] if colour else parts)


def _strengths(augmentation: Augmentation, *names: str) -> list[str]:
    """Those that are on, with their strengths."""
    values = {name: getattr(augmentation, name) for name in names}
    return [f"{name.replace('_', '-')} {value:g}" for name, value in values.items() if value]


def plan_run(
    settings: PhaseSettings,
    optimization: OptimizerSettings,
    augmentation: Augmentation,
    images: int,
    from_weights: bool,
) -> tuple[Phase, ...]:
    """Plan the phases of a run on so many images, `from_weights` or from scratch; reports what it chooses."""
    epochs, frozen_epochs = settings.epochs, settings.freeze_epochs
    if epochs is None:
        epochs = suggest_epochs(images)
        print(f"--epochs is not set: {epochs} for {images} images")
    if frozen_epochs is None:
        frozen_epochs = suggest_freeze_epochs(epochs, from_weights)
    factor = optimization.layer_decay
    decay = f", and by {factor:g} for each stage from the head" * (factor != 1)
    print(f"learning rate: {optimization.peak_lr:g} for a batch of 64, scaled by each phase's batch{decay}")

    def phase(name: str, batch_size: int | Literal["auto"], frozen: tuple[str, ...]) -> Phase:
        assert batch_size != "auto", "it was measured before"
        batch = min(batch_size, images)
        peak = scale_learning_rate(optimization.peak_lr, batch, optimization.optimizer)
        return Phase(name, 0, batch, peak, frozen, augmentation)

    frozen = phase("frozen", settings.freeze_batch_size, settings.freeze)
    unfrozen = phase("unfrozen", settings.batch_size, ())
    return plan_phases(epochs, frozen_epochs, settings.clean_share, frozen, unfrozen)


def scale_learning_rate(
    learning_rate: float, batch_size: int, optimizer: OptimizerName, nominal_batch: int = 64
) -> float:
    """The learning rate for a batch size, from the one for batches of `nominal_batch` images.

    That of SGD grows in proportion to the batch size (https://arxiv.org/abs/1706.02677), that of AdamW and
    Muon, whose steps do not depend on the size of the gradient, with its square root
    (https://arxiv.org/abs/2205.10287).
    """
    ratio = batch_size / nominal_batch
    return learning_rate * (ratio if optimizer == "sgd" else math.sqrt(ratio))
