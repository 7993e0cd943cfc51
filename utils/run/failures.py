"""What can break a training from outside, and what it then says: the disk, the GPU."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.system.signals import Stopped
from utils.train.trainer import Trainer

FILES = 4  # best.pt, last.pt, previous.pt, and the one that is being written
NOT_DETERMINISTIC = "does not have a deterministic implementation"
DEFECT = "device-side assert"  # the program did something wrong, the GPU is sound

LOST = "CUDA error"  # begins what PyTorch says of a GPU that fails, in any version


def require_room(trainer: Trainer, folder: Path, more: int = 0) -> None:
    """ValueError if the disk of a run's folder has no room for its checkpoints, `more` than usual."""
    weights = sum(value.numel() * value.element_size() for value in trainer.detector.state_dict().values())
    copies = 1 + (trainer.ema is not None) + (2 if trainer.settings.optimization.optimizer == "adamw" else 1)
    needed = weights * copies * (FILES + more)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise ValueError(
            f"the disk of {there} has {free / 1e6:.0f} MB left, and the checkpoints of the run may take "
            f"{needed / 1e6:.0f} MB: make room, choose another --output, or a larger --save-period"
        )


@contextmanager
def explain_failures(trainer: Trainer, folder: Path) -> Iterator[None]:
    """Within, what breaks says how the run in `folder` goes on, which is whole up to its last save."""
    again = f"what was saved before is whole; to go on: python train.py --resume {folder}"
    try:
        yield
    except OSError as error:
        raise OSError(f"stopped at step {trainer.steps}: {error}\n{again}") from error
    except RuntimeError as error:
        if NOT_DETERMINISTIC in str(error):
            operation = str(error).split(NOT_DETERMINISTIC)[0].strip()
            raise ValueError(
                f"--deterministic: on a GPU {operation} does not give the same bits each time; leave it out, "
                "or choose another --model"
            ) from error
        if trainer.device.type == "cpu" or LOST not in str(error) or DEFECT in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise Stopped(1, f"the GPU was lost at step {trainer.steps} ({reason}): {again}") from error
