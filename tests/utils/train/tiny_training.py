"""A few drawn images, and trainers that fit them in seconds."""

from pathlib import Path

import cv2
import numpy as np
import torch

from nets import build_detector
from utils.augment.settings import NO_AUGMENTATION
from utils.data.index import DatasetIndex, ImageRecord, build_index
from utils.system.settings import with_values
from utils.train.epoch_state import EpochResult, EpochState
from utils.train.phases import Phase, phase_at, total_epochs
from utils.train.settings import MachineSettings, OptimizerSettings, TrainSettings
from utils.train.trainer import Trainer

SIDE = 64
CPU = torch.device("cpu")
PHASE = Phase("all", 1, 2, 0.01, (), NO_AUGMENTATION)
SETTINGS = TrainSettings(
    image_size=(SIDE, SIDE),
    smallest=1,
    optimization=OptimizerSettings("sgd", weight_decay=0.05),
    machine=MachineSettings(workers=0),
)


def drawn_index(folder: Path, number: int = 4) -> DatasetIndex:
    """Write images of one light square each, to the left or right, of class "left" or "right"."""
    records = []
    for image_number in range(number):
        left = 6 + image_number if image_number % 2 == 0 else 34 - image_number
        image = np.full((SIDE, SIDE, 3), 40 + 5 * image_number, np.uint8)
        image[20:44, left : left + 24] = (220, 180, 60)
        path = folder / f"{image_number}.png"
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        box = np.array([[left, 20, left + 24, 44]], np.float32)
        records.append(ImageRecord(str(path), box, np.array([image_number % 2], np.int32), size=(SIDE, SIDE)))
    return build_index(records, ["left", "right"])


def make_trainer(index: DatasetIndex, phases=(PHASE,), weights_seed=0, processes=None, **changes) -> Trainer:
    """Return a trainer of the smallest network, with changes to the settings above."""
    torch.manual_seed(weights_seed)
    detector = build_detector("yolox_nano", len(index.class_names))
    return Trainer(detector, index, tuple(phases), with_values(SETTINGS, changes), CPU, processes)


def train(trainer: Trainer) -> list[dict[str, float]]:
    """Train all epochs of all phases, without files; returns the losses of each epoch."""
    epochs = range(total_epochs(trainer.phases))
    return [train_epoch(trainer, phase_at(trainer.phases, epoch), epoch).losses for epoch in epochs]


def train_epoch(trainer: Trainer, phase: Phase = PHASE, epoch: int = 0) -> EpochResult:
    """Train a whole epoch."""
    state = EpochState()
    for batch in trainer.start_epoch(phase, epoch):
        state.add(batch, trainer.step(batch), seconds=1.0)
    if trainer.review_steps(state):
        trainer.require_progress(state)
    return trainer.epoch_result(state)


def copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a copy of a state dict, which later steps do not change."""
    return {name: value.clone() for name, value in state.items()}


def same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Return whether two state dicts are equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)
