"""Saves and resumes runs, with all state needed to continue exactly as if never interrupted.

On resuming, the length and settings of training may change, but not the model or the classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from nets import Preset, parts_of
from utils.data.index import DatasetIndex
from utils.run.folder import LAST, PREVIOUS, hash_index, recorded_hash
from utils.run.metrics_file import truncate_metrics
from utils.run.run_state import check_run_state, with_present_names
from utils.system.schema import conform
from utils.system.settings import flag
from utils.train.epoch_state import EpochState
from utils.train.optimizer import restore_optimizer
from utils.train.phases import PhasePlanner, phase_at, total_epochs
from utils.train.settings import MachineSettings
from utils.train.time_plan import Timing
from utils.train.trainer import Trainer
from utils.weights.checkpoint import (
    load_checkpoint,
    random_state,
    restore_module,
    restore_random_state,
    save_checkpoint,
)
from utils.weights.checkpoint_schema import naming

WHY_NOT = {
    "another network needs a new run": ("model", "backbone", "neck", "head", "anchors"),
    "the network predicts the classes of the run": ("classes",),
    "the run started from its weights": ("weights",),
    "metrics before and after could not be compared": ("image_size", "val"),
    "the state of one optimizer does not fit another": ("optimizer",),
    "the EMA covers the whole run": ("ema",),
    "it determines the order of the images": ("seed", "balance"),
    "it determines which images are held out": ("folds", "fold"),
}
MACHINE = {field.name for field in fields(MachineSettings)}
NOT_OF_THE_PLAN = ("resume", "name", "output", "preview", "summary")


@dataclass
class Progress:
    """The progress of a run, saved in every checkpoint.

    epoch                   number of finished epochs
    best                    best mAP50-95 so far, of epoch `best_epoch`
    evaluations_since_best  for early stopping
    within                  state of the epoch in progress
    notices_given           names of the notices that were printed
    val_data                number of the validation data that `best` is of: 1, plus 1 for each change
    timing                  of a run with a time limit
    train_sha256            hash of the training data, and of the validation data; "" if unknown
    """

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    evaluations_since_best: int = 0
    within: EpochState = field(default_factory=EpochState)
    notices_given: list[str] = field(default_factory=list)
    val_data: int = 1
    timing: Timing | None = None
    train_sha256: str = ""
    val_sha256: str = ""

    def set_data(self, train: DatasetIndex, validation: DatasetIndex) -> bool:
        """Note the data that the run goes on with; returns whether the validation data is another."""
        before = self.val_sha256
        self.train_sha256, self.val_sha256 = hash_index(train), hash_index(validation)
        changed = before not in ("", self.val_sha256)
        self.val_data += changed
        return changed

    def set_best(self, map50_95: float, epoch: int) -> None:
        """Note the best mAP50-95 so far and its epoch."""
        self.best, self.best_epoch, self.evaluations_since_best = map50_95, epoch, 0

    def finish_epoch(self, map50_95: float | None) -> bool:
        """Count a finished epoch, with its mAP50-95 if evaluated; returns whether it is the best."""
        self.epoch, self.within = self.epoch + 1, EpochState()
        if map50_95 is None:
            return False
        if map50_95 <= self.best:
            self.evaluations_since_best += 1
            return False
        self.set_best(map50_95, self.epoch)
        return True


def save_run(path: Path, trainer: Trainer, model: Preset, progress: Progress) -> None:
    """Write a checkpoint; when it is `last.pt`, the one before is kept as `previous.pt`."""
    parts = trainer.gradients.parts
    save_checkpoint(
        path,
        keep=path.with_name(PREVIOUS) if path.name == LAST else None,
        model=trainer.detector.state_dict(),
        ema=None if trainer.ema is None else trainer.ema.module.state_dict(),
        optimizer=trainer.optimizer.state_dict(),
        scaler=trainer.scaler.state_dict(),
        step=trainer.steps,
        parts=parts if parts > trainer.settings.machine.batch_parts else 0,
        rate_factor=trainer.lr_factor,
        class_names=trainer.train_index.class_names,
        model_name=model.name,
        model_parts=parts_of(model),
        image_size=trainer.settings.image_size,
        torch_version=str(torch.__version__),
        random=random_state(),
        **asdict(progress),
    )


def restore_run(trainer: Trainer, folder: Path, planner: PhasePlanner | None = None) -> Progress:
    """Restore the trainer and all random number generators from the newest intact checkpoint.

    The phases may differ from before: training continues in the same epoch after the same number of images,
    or at the start of the epoch if the training data has changed. ValueError if the run is beyond the last
    phase or has other classes, or if the checkpoint is of an earlier version and incomplete.

    planner  of a run with a time limit, whose phases are those last planned
    """
    advice = f"start a new training with --weights {folder / LAST}"
    state = with_present_names(_newest(folder))
    missing = {"random", "within", "rate_factor", "parts"} - state.keys()
    if not missing:
        with naming(f"the checkpoint in {folder}", advice):
            check_run_state(state)
        if "names" not in state["optimizer"]["param_groups"][0]:
            missing = {"names of parameters"}
    if missing:
        raise ValueError(
            f"the checkpoint in {folder} is of an earlier version, without {', '.join(sorted(missing))}: "
            f"{advice}"
        )
    if tuple(state["class_names"]) != (names := tuple(trainer.train_index.class_names)):
        raise ValueError(
            f"the run {folder} has the classes {_listed(state['class_names'])}, the data has "
            f"{_listed(names)}: start a new run with --weights {folder / LAST}"
        )
    hashes = {f"{name}_sha256": recorded_hash(folder, name) for name in ("train", "val")} | {
        name: state[name] for name in ("train_sha256", "val_sha256") if name in state
    }
    timing = conform(state["timing"], Timing) if planner and state.get("timing") else None
    if planner and timing:
        trainer.set_phases(planner.with_epochs_of(timing.epoch_images).phases(timing.lengths))
    within = _within(trainer, state, hashes["train_sha256"] in ("", hash_index(trainer.train_index)))
    with naming(f"the checkpoint in {folder}", advice):
        restore_module(trainer.detector, state["model"])
        restore_optimizer(trainer.optimizer, state["optimizer"])
        if trainer.ema is not None:
            restore_module(trainer.ema.module, state["ema"] or {})
        restore_random_state(state["random"])
    trainer.scaler.load_state_dict(state["scaler"])
    trainer.steps = trainer.schedule.step_at(state["epoch"], within.batches)
    trainer.lr_factor = state["rate_factor"]
    trainer.gradients.parts = max(trainer.settings.machine.batch_parts, state["parts"])
    if trainer.ema is not None:
        trainer.ema.steps = trainer.steps
    if trainer.processes.first:
        truncate_metrics(folder, state["epoch"])
    return Progress(
        epoch=state["epoch"],
        best=state["best"],
        best_epoch=state["best_epoch"],
        evaluations_since_best=state["evaluations_since_best"],
        within=within,
        notices_given=state.get("notices_given", []),  # absent from the first versions, like those below
        val_data=state.get("val_data", 1),
        timing=timing,
        **hashes,
    )


def _within(trainer: Trainer, state: Mapping[str, Any], same_images: bool) -> EpochState:
    """The state of the epoch in progress, in batches of the phase that it now belongs to."""
    epoch, epochs = state["epoch"], total_epochs(trainer.phases)
    if epoch > epochs:
        raise ValueError(f"--epochs {epochs}: the run has already trained for {epoch} epochs")
    within: EpochState = conform(state["within"], EpochState)
    if epoch == epochs or not same_images:
        return EpochState()
    within.sums = {name: value.to(trainer.device) for name, value in within.sums.items()}
    return within.in_batches_of(phase_at(trainer.phases, epoch).batch_size)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _newest(folder: Path) -> dict[str, Any]:
    """Load `last.pt`, or `previous.pt` if it is damaged; ValueError if neither is intact."""
    last, previous = folder / LAST, folder / PREVIOUS
    if not previous.exists():
        return load_checkpoint(last)
    try:
        return load_checkpoint(last)
    except ValueError as error:
        state = load_checkpoint(previous)
        print(f"{error}\nresuming from {previous}, of step {state['step']}")
        return state


def plan_changes(before: Mapping[str, Any], after: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the settings changed since the run in `folder` was started, each as "--epochs 10 -> 20".

    ValueError with the reason and the fix for settings that cannot change within a run.
    """
    changed = [
        name
        for name in after
        if name not in NOT_OF_THE_PLAN and name in before and before[name] != after[name]
    ]
    shown = {name: (flag(name), _text(before[name]), _text(after[name])) for name in changed}
    if before.get("folds") and before.get("fold") is None and (other := [*shown.keys() - MACHINE]):
        option, was, wanted = shown[other[0]]
        raise ValueError(
            f"{option} cannot change from {was} to {wanted} within a cross-validation, whose runs must be "
            "comparable: omit the flag, or start a new one"
        )
    for reason, names in WHY_NOT.items():
        for name in set(names) & shown.keys():
            option, was, wanted = shown[name]
            raise ValueError(
                f"{option} cannot change from {was} to {wanted} within a run: {reason}. Omit the flag, or "
                f"start a new run with --weights {folder / LAST}"
            )
    return [f"{option} {was} -> {wanted}" for option, was, wanted in shown.values()]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "automatic" if value is None else str(value)
