"""The settings of a run: when it evaluates, saves and stops, and where its metrics are logged."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from nets import Preset
from utils.run.loggers import LogName
from utils.system.settings import NonNegativeInt, PositiveInt
from utils.train.time_plan import TimeLimit


@dataclass(frozen=True)
class RunSettings:
    """When a run evaluates, saves and stops, and where its metrics are logged."""

    eval_period: PositiveInt = 1  # epochs between evaluations; the last epoch is always evaluated
    save_period: NonNegativeInt = 0  # epochs between extra checkpoints epoch_NNN.pt; 0: none
    save_steps: NonNegativeInt = 0  # steps between saves of last.pt within an epoch; 0: only after epochs
    patience: NonNegativeInt = 0  # early stopping: evaluations without a better mAP; 0: off
    log: tuple[LogName, ...] = ("tensorboard",)  # experiment trackers: tensorboard, wandb, mlflow, or none

    def without_validation(self) -> "RunSettings":
        """Return the settings for a run without images to choose an epoch by: the last one is the best."""
        return replace(self, eval_period=sys.maxsize, patience=0)


class Run(NamedTuple):
    """A run on disk: its folder, its model, the batch size of evaluation, its settings and its time limit."""

    folder: Path
    model: Preset
    eval_batch_size: int
    settings: RunSettings = RunSettings()
    time_limit: TimeLimit | None = None
