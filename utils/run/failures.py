"""Failures from outside that end a training, of the disk or the GPU, and their messages."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.images.image_io import ImageError
from utils.run.folder import has_checkpoint, resumed_with
from utils.system.files import error_text
from utils.system.signals import Stopped, exit_status_of
from utils.train.trainer import Trainer

CHECKPOINT_FILES = 4  # best.pt, last.pt, previous.pt, and the one being written
NOT_DETERMINISTIC = "does not have a deterministic implementation"
PROGRAM_ERROR = "device-side assert"  # a mistake of the program; the GPU is fine
GPU_FAILURE = "CUDA error"  # start of PyTorch's messages for a failing GPU, in any version


def require_room(trainer: Trainer, folder: Path, more: int = 0) -> None:
    """Raise a ValueError if the disk has no room for a run's checkpoints, and `more` than usual."""
    weights = sum(value.numel() * value.element_size() for value in trainer.detector.state_dict().values())
    copies = 1 + (trainer.ema is not None) + (2 if trainer.settings.optimization.optimizer == "adamw" else 1)
    needed = weights * copies * (CHECKPOINT_FILES + more)
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ValueError(
            f"the disk of {existing} has {free / 1e6:.0f} MB left, but the checkpoints of the run may take "
            f"{needed / 1e6:.0f} MB: free some space, choose another --output or a larger --save-period"
        )


@contextmanager
def explain_failures(trainer: Trainer, folder: Path) -> Iterator[None]:
    """Add to errors raised within how the run in `folder` can go on."""
    try:
        yield
    except (OSError, ImageError) as error:  # the disk is full, or the images are gone
        raise OSError(
            f"stopped at step {trainer.steps}: {error_text(error)}\n{how_to_go_on(folder)}"
        ) from error
    except Stopped:
        raise
    except KeyboardInterrupt as error:  # the second signal
        status = exit_status_of(*error.args or (signal.SIGINT,))
        raise Stopped(status, f"stopped at once at step {trainer.steps}: {how_to_go_on(folder)}") from error
    except RuntimeError as error:
        if NOT_DETERMINISTIC in str(error):
            operation = str(error).split(NOT_DETERMINISTIC)[0].strip()
            raise ValueError(
                f"--deterministic: {operation} has no deterministic implementation on a GPU; omit the flag, "
                "or choose another --model"
            ) from error
        if trainer.device.type == "cpu" or GPU_FAILURE not in str(error) or PROGRAM_ERROR in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise Stopped(
            1, f"the GPU failed at step {trainer.steps} ({reason}): {how_to_go_on(folder)}"
        ) from error


def how_to_go_on(folder: Path) -> str:
    """Return the command that resumes the run in `folder`, or what to do if nothing was saved yet."""
    if has_checkpoint(folder):
        return f"the last checkpoint is intact; resume with: python train.py --resume {resumed_with(folder)}"
    return "nothing was saved yet: start the training again once that is mended"
