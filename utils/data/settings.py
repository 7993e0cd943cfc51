"""The settings that choose what of the data is used."""

from dataclasses import dataclass
from typing import Annotated, Literal

from utils.system.settings import Fraction, PositiveFraction, Range

Folds = Annotated[int, Range("0, or at least 2", lambda value: value == 0 or value >= 2)]
Fold = Annotated[int | Literal["all"], Range("from 1 to --folds, or all", lambda n: n == "all" or n >= 1)]


@dataclass(frozen=True)
class DataSettings:
    """What of the data is used."""

    fraction: PositiveFraction = 1.0  # fraction of the training images to use, the same ones every time
    balance: Fraction = 0.0  # repeat images of classes that less than this fraction of images have; 0: off
    single_class: bool = False  # train on one class, "object", in place of the classes of the data
    folds: Folds = 0  # cross-validation: number of folds of --train and --val together; 0: off
    fold: Fold | None = None  # train one run of --folds: 1 to --folds, or all (all images); default: each

    @property
    def cross_validation(self) -> bool:
        """Whether all runs of a cross-validation are wanted, one after the other."""
        return self.folds > 0 and self.fold is None
