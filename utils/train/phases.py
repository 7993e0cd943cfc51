"""The phases of a run, each with its epochs, batch size, learning rate, frozen parts and augmentation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
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
    """A stretch of training with constant settings, except for the learning rate schedule.

    epochs         number of epochs
    batch_size     images per step, over all processes
    learning_rate  peak, already scaled for the batch size
    frozen         frozen parts or first stages of the backbone (`utils/train/freezing.py`)
    augmentation   data augmentation
    images         images in an epoch, a random part of all; None: all
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    frozen: tuple[str, ...]
    augmentation: Augmentation
    images: int | None = None

    def trains_like(self, other: "Phase | None") -> bool:
        """Return whether the phase is the other one, of whatever number of epochs."""
        return other is not None and replace(self, epochs=other.epochs) == other

    def describe(self) -> str:
        """Return a line that says what trains and how."""
        frozen = describe_frozen(self.frozen)
        if self.batch_size == 1:
            frozen += ", BatchNorm statistics fixed"
        return (
            f"phase '{self.name}': {self.epochs} epochs, batch {self.batch_size}, peak learning rate "
            f"{self.learning_rate:.3g}; {frozen}; {_describe_augmentation(self.augmentation)}"
        )


@dataclass(frozen=True)
class Lengths:
    """The lengths of a run and its parts, in epochs.

    epochs         of the whole run
    freeze_epochs  at first, with frozen parts
    clean_start    before the first clean epoch
    """

    epochs: int
    freeze_epochs: int
    clean_start: int


@dataclass(frozen=True)
class PhasePlanner:
    """Plans the phases of a run of any length.

    frozen, unfrozen  the two kinds of phases
    settings          the epochs, the frozen epochs and the clean share
    images            number of training images
    from_weights      whether the run starts from trained weights
    """

    frozen: Phase
    unfrozen: Phase
    settings: PhaseSettings
    images: int
    from_weights: bool

    def first_phases(self) -> tuple[Phase, ...]:
        """Return the phases of the epochs that are set, or suggested for the images; prints the latter.

        Of a run with a time limit they are preliminary: its epochs are planned when its speed is known.
        """
        epochs, minutes = self.settings.epochs, self.settings.minutes
        if epochs is not None and minutes is not None:
            raise ValueError("--epochs and --minutes both set the length of the run: omit one of them")
        if epochs is None:
            epochs = suggest_epochs(self.images)
            if minutes is None:
                print(f"--epochs is not set: {epochs} for {self.images} images")
        return self.phases(self.lengths(epochs))

    def with_epochs_of(self, images: int | None) -> "PhasePlanner":
        """Return the planner of runs whose epochs have so many images; None: all."""
        frozen, unfrozen = (replace(phase, images=images) for phase in (self.frozen, self.unfrozen))
        return replace(self, frozen=frozen, unfrozen=unfrozen)

    def lengths(self, epochs: int, done: int = 0, before: Lengths | None = None) -> Lengths:
        """Return the lengths of a run of so many epochs.

        If `done` of them are over, by the plan `before`, what has begun by then is not put off.
        """
        freeze = self.settings.freeze_epochs
        freeze = suggest_freeze_epochs(epochs, self.from_weights) if freeze is None else freeze
        freeze = freeze if self.settings.minutes is None else min(freeze, epochs)
        clean = epochs - round(epochs * self.settings.clean_share)
        if before is not None:
            freeze = before.freeze_epochs if done >= before.freeze_epochs else max(done, freeze)
            clean = before.clean_start if done >= before.clean_start else max(done, clean)
        return Lengths(epochs, freeze, clean)

    def phases(self, lengths: Lengths) -> tuple[Phase, ...]:
        """Return the phases of a run of these lengths.

        Clean means without mosaic, mixup, copy-paste and cutout, so that the network sees natural images
        last: a mosaic has more and smaller objects, cut at the seams.
        """
        epochs, freeze_epochs, clean_start = lengths.epochs, lengths.freeze_epochs, lengths.clean_start
        if not 0 <= freeze_epochs <= epochs:
            raise ValueError(
                f"--freeze-epochs {freeze_epochs} is not within 0 and --epochs, which is {epochs}"
            )
        spans = [
            (replace(self.frozen, epochs=0), 0, freeze_epochs),
            (replace(self.unfrozen, epochs=0), freeze_epochs, epochs),
        ]
        phases = []
        for phase, start, end in spans:
            middle = min(max(clean_start, start), end)
            phases.append(replace(phase, epochs=middle - start))
            clean = replace(phase.augmentation, mosaic=0.0, mixup=0.0, copy_paste=0.0, cut_out=0.0)
            phases.append(
                replace(phase, name=f"{phase.name}, clean", epochs=end - middle, augmentation=clean)
            )
        return tuple(phase for phase in phases if phase.epochs)


def apply_freezing(detector: Detector, phase: Phase) -> None:
    """Put the detector into training mode, with the frozen parts of the phase in evaluation mode.

    Call it again after evaluation: `train()` alone would update frozen BatchNorms. With batches of one image
    all BatchNorm statistics are fixed, as those of a single image are too noisy.
    """
    freeze(detector, phase.frozen)
    if phase.batch_size == 1:
        for module in detector.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def total_epochs(phases: Sequence[Phase]) -> int:
    """Return the number of epochs of all phases."""
    return sum(phase.epochs for phase in phases)


def phase_at(phases: Sequence[Phase], epoch: int) -> Phase:
    """Return the phase of epoch number `epoch`, counted from 0."""
    for phase in phases:
        if epoch < phase.epochs:
            return phase
        epoch -= phase.epochs
    raise AssertionError("the epoch lies beyond the last phase")


def _describe_augmentation(augmentation: Augmentation) -> str:
    if augmentation == NO_AUGMENTATION:
        return "no augmentation"
    low, high = augmentation.scale
    strengths = {
        "mosaic": f"{augmentation.mosaic:g}",
        "mixup": f"{augmentation.mixup:g}",
        "copy-paste": f"{augmentation.copy_paste:g}",
        "cut-out": f"{augmentation.cut_out:g}",
        "scale": f"{low:g} to {high:g}",
        "translate": f"{augmentation.translate:g}",
        "rotation": f"{augmentation.rotation:g}",
        "shear": f"{augmentation.shear:g}",
        "flip": f"{augmentation.flip:g}",
        "vertical flip": f"{augmentation.vertical_flip:g}",
        "quarter turn": f"{augmentation.quarter_turn:g}",
        "grey": f"{augmentation.grey:g}",
        "blur": f"{augmentation.blur:g}",
        "noise": f"{augmentation.noise:g}",
        "JPEG": f"{augmentation.jpeg:g}",
        "multi-scale": f"{augmentation.multi_scale:g}",
    }
    parts = [f"{name} {strength}" for name, strength in strengths.items() if strength != "0"]
    if augmentation.hue or augmentation.saturation or augmentation.brightness:
        parts.append("colour")
    if augmentation.augment_file:
        parts.append(Path(augmentation.augment_file).name)
    return ", ".join(parts)


def plan_run(
    settings: PhaseSettings,
    optimization: OptimizerSettings,
    augmentation: Augmentation,
    images: int,
    from_weights: bool,
) -> PhasePlanner:
    """Return the planner of a run on so many images; prints the learning rate."""
    factor = optimization.layer_decay
    decay = f", and by {factor:g} for each stage away from the head" if factor != 1 else ""
    print(
        f"learning rate: {optimization.peak_lr:g} for a batch of 64, scaled by each phase's batch size{decay}"
    )

    def phase(name: str, batch_size: int | Literal["auto"], frozen: tuple[str, ...]) -> Phase:
        assert batch_size != "auto", "--batch-size auto is measured before"
        batch = min(batch_size, images)
        peak = scale_learning_rate(optimization.peak_lr, batch, optimization.optimizer)
        return Phase(name, 0, batch, peak, frozen, augmentation)

    frozen = phase("frozen", settings.freeze_batch_size, settings.freeze)
    return PhasePlanner(frozen, phase("unfrozen", settings.batch_size, ()), settings, images, from_weights)


def scale_learning_rate(
    learning_rate: float, batch_size: int, optimizer: OptimizerName, nominal_batch: int = 64
) -> float:
    """Return the learning rate for a batch size, given the one for batches of `nominal_batch` images.

    For SGD it scales linearly with the batch size (https://arxiv.org/abs/1706.02677); for AdamW and Muon,
    whose updates do not depend on the scale of the gradient, with its square root
    (https://arxiv.org/abs/2205.10287).
    """
    ratio = batch_size / nominal_batch
    return learning_rate * (ratio if optimizer == "sgd" else math.sqrt(ratio))
