"""Prints what is in the data of a run."""

from collections.abc import Mapping

from utils.data.index import DatasetIndex
from utils.data.settings import DataSettings
from utils.data.summary import data_line, print_notes
from utils.loader.balance import balance_line


def print_data(data: Mapping[str, DatasetIndex], settings: DataSettings) -> None:
    """Print what is in the data sets, and which training images are repeated."""
    for name, index in data.items():
        print(f"{name}: {data_line(index)}")
        print_notes(index)
    if settings.balance:
        print(balance_line(data["train"], settings.balance))
