"""The learning rate as a pure function of the step."""

import math
from typing import Literal

from utils.train.optimizer import OptimizerName

Decay = Literal["cosine", "step", "constant"]


def decay_factor(progress: float, decay: Decay, floor: float = 0.05) -> float:
    """What the peak learning rate is multiplied by at `progress` (0 at the start of the run, 1 at its end).

    "cosine" falls smoothly to `floor`; "step" falls to a tenth after 70 % and to a hundredth after 90 %.
    """
    if decay == "constant":
        return 1.0
    if decay == "step":
        return 1.0 if progress < 0.7 else 0.1 if progress < 0.9 else 0.01
    return floor + (1 - floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def warmup_factor(steps_trained: int, warmup_steps: int) -> float:
    """Rises quadratically from near 0 to 1 while the first `warmup_steps` steps are trained; before, 0."""
    return max(0.0, min(1.0, (steps_trained + 1) / max(warmup_steps, 1))) ** 2


def scale_learning_rate(
    learning_rate: float, batch_size: int, optimizer: OptimizerName, nominal_batch: int = 64
) -> float:
    """The rate for a batch, from the one for `nominal_batch` images.

    SGD's grows in proportion to the batch (https://arxiv.org/abs/1706.02677), that of AdamW and Muon, whose
    steps are as large whatever the size of the gradient, with its square root
    (https://arxiv.org/abs/2205.10287).
    """
    ratio = batch_size / nominal_batch
    return learning_rate * (ratio if optimizer == "sgd" else math.sqrt(ratio))
