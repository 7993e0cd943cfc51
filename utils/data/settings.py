"""The settings that choose what of the data is used."""

from dataclasses import dataclass

from utils.system.settings import PositiveFraction


@dataclass(frozen=True)
class DataSettings:
    """What of the data is used."""

    fraction: PositiveFraction = 1.0  # fraction of the training images to use, the same ones every time
    single_class: bool = False  # train on one class, "object", in place of the classes of the data
