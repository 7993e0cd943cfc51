"""The folder of a search: creating and finding it, and whether a search that goes on is the same."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from utils.data.index import DatasetIndex
from utils.run.folder import changed_data
from utils.system.settings import flag
from utils.tune.study import JOURNAL

MAY_CHANGE = ("minutes", "seeds", "resume", "name", "output")


def create_folder(output: Path, name: str) -> Path:
    """Create the folder of a new search, by default named by date and time. ValueError if it exists."""
    folder = output / (name or datetime.now().strftime("tune_%Y-%m-%d_%H-%M-%S"))
    output.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        go_on = f", or go on with --resume {folder}" if (folder / JOURNAL).exists() else ""
        raise ValueError(f"{folder} exists: choose another --name{go_on}") from None
    return folder


def find_folder(name: str, output: Path) -> Path:
    """Return the folder of the search to resume: a path, or a name in `output`."""
    for folder in (Path(name), output / name):
        if (folder / "config.json").is_file():
            return folder.absolute()
    raise ValueError(f"--resume {name}: there is no search in {Path(name).absolute()} or {output / name}")


def require_same(
    before: Mapping[str, Any], after: Mapping[str, Any], folder: Path, data: Mapping[str, DatasetIndex]
) -> None:
    """Raise ValueError if settings or data have changed since the search was started.

    Its trials could not be compared then. The budget and the number of seeds may change.
    """
    for name, value in after.items():
        if name not in MAY_CHANGE and before[name] != value:
            raise ValueError(
                f"{flag(name)} cannot change from {before[name]} to {value} within a search: omit the "
                "flag, or start a new search"
            )
    if changes := changed_data(folder, data):
        raise ValueError(f"{changes[0]}: start a new search, as its trials cannot be compared with others")
