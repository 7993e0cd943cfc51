"""The settings that a search starts from: the defaults of train.py, changed by the user's `--flags`."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import tyro
from tyro.conf import OmitArgPrefixes

from nets.losses.common import LossOptions
from utils.augment.settings import Augmentation
from utils.data.settings import DataSettings
from utils.system.settings import check_ranges, flag
from utils.train.settings import MachineSettings, OptimizerSettings, PhaseSettings

SET_BY_SEARCH = (  # flags of train.py that differ between trainings, or are flags of tune.py
    *("train", "val", "test", "classes", "model", "weights", "image_size", "epochs", "seed"),
    *("minutes", "folds", "fold", "output", "name", "resume", "summary", "preview", "help"),
)


@dataclass(frozen=True)
class BaseSettings:
    """Groups of settings of train.py, with the values that every training of a search starts from."""

    data: OmitArgPrefixes[DataSettings] = DataSettings()
    phases: OmitArgPrefixes[PhaseSettings] = PhaseSettings()
    loss: OmitArgPrefixes[LossOptions] = LossOptions()
    optimization: OmitArgPrefixes[OptimizerSettings] = OptimizerSettings()
    augmentation: OmitArgPrefixes[Augmentation] = Augmentation()
    machine: OmitArgPrefixes[MachineSettings] = MachineSettings()


def parse_flags(text: str) -> BaseSettings:
    """Return the settings of `--flags`, a text of flags of train.py; others than these groups are ignored.

    ValueError for a flag that the search sets itself. A value of the wrong kind ends the program, as on any
    command line.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:  # an open quote
        raise ValueError(f"--flags {text}: {error}") from None
    named = {word.partition("=")[0].replace("_", "-") for word in words}
    if wrong := [flag(name) for name in SET_BY_SEARCH if flag(name) in named]:
        raise ValueError(
            f"--flags cannot hold {', '.join(wrong)}: tune.py has flags of its own, or sets them"
        )
    base, _ = tyro.cli(BaseSettings, args=words, return_unknown_args=True, prog="tune.py --flags")
    check_ranges(base)
    return base


def require_code_given(given: str, saved: str, folder: Path) -> None:
    """Raise ValueError if `--flags` of the search in `folder` name code, and those given do not.

    The folder may be somebody else's: what it alone names is not run.
    """
    code = parse_flags(saved).augmentation.augment_file
    if code and parse_flags(given).augmentation.augment_file != code:
        raise ValueError(
            f"the search {folder} has --augment-file {code} in its --flags. Code that only a search's folder "
            f"names is not run: if you trust that file, repeat --flags"
        )
