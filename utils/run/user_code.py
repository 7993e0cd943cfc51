"""The user's own code in a run: taken from the user's command, never from a run folder."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from utils.run.folder import LAST
from utils.system.settings import flag, flat_values, with_values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")
FILES_OF_CODE = ("augment_file",)  # settings that name a file to be run


def with_code_of(given: ConfigT, saved: ConfigT, folder: Path) -> ConfigT:
    """Return the saved settings of the run in `folder`, with the files of code that the user has given.

    The folder may be somebody else's: what it alone names is not run. ValueError with the fix if the user
    has given no such file, but the run had one.
    """
    wanted, before = flat_values(given), flat_values(saved)
    for name in FILES_OF_CODE:
        if before[name] and not wanted[name]:
            raise ValueError(
                f"the run {folder} was trained with {flag(name)} {before[name]}. Code that only a run folder "
                f"names is not run: if you trust that file, repeat the flag; to go on without it, start a "
                f"new run with --weights {folder / LAST}"
            )
    return with_values(saved, {name: wanted[name] for name in FILES_OF_CODE})
