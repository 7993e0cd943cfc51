"""The folder of a run, and its config.json."""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import numpy as np

from utils.data.index import PATH_ERRORS, DatasetIndex
from utils.system.files import NOT_UTF8, read_failure, write_text
from utils.system.lock import is_locked
from utils.system.schema import conform
from utils.system.settings import check_ranges, flag, flat_types, flat_values, with_values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")
LAST, PREVIOUS = "last.pt", "previous.pt"  # the newest checkpoint, and the one before, in case it is damaged
FILES_OF_CODE = ("augment_file",)  # settings that name a file to be run
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "opencv-python")


@dataclass(frozen=True)
class DataRecord:
    """What config.json says of a data set."""

    sha256: str
    images: int = 0
    objects: int = 0


@dataclass(frozen=True)
class Record:
    """The content of config.json, as far as it is read."""

    config: dict[str, Any]
    data: dict[str, DataRecord] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    started: str = ""
    resumed: list[Any] = field(default_factory=list)


def create_run_folder(output: Path, name: str) -> Path:
    """Create `output/name`, named by date and time if `name` is empty. ValueError if it exists."""
    folder = output / name if name else _unused(output / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    output.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        if is_locked(folder):
            other = "wait for the training that is running in it"
        elif has_checkpoint(folder) or is_cross_validation(folder):
            other = f"resume that run with --resume {folder}"
        else:
            other = "remove it: it has no checkpoint"
        raise ValueError(f"{folder} exists: choose another --name, or {other}") from None
    return folder


def _unused(folder: Path) -> Path:
    """Return the folder, or the first of folder_2, folder_3, ... if there are such already."""
    names = (folder.with_name(f"{folder.name}_{number}") for number in count(2))
    return folder if not folder.exists() else next(other for other in names if not other.exists())


def has_checkpoint(folder: Path) -> bool:
    """Return whether the run in `folder` can be resumed."""
    return any((folder / name).is_file() for name in (LAST, PREVIOUS))


def is_cross_validation(folder: Path) -> bool:
    """Return whether the folder is that of a cross-validation, with a folder for each of its runs."""
    try:
        settings = _read(folder).config
    except ValueError:  # there is none, or it is damaged
        return False
    return bool(settings.get("folds")) and settings.get("fold") is None


def resumed_with(folder: Path) -> Path:
    """Return the folder to resume the run in `folder` with: that of its cross-validation, or its own."""
    return folder.parent if is_cross_validation(folder.parent) else folder


def write_config(folder: Path, config: Mapping[str, Any], indexes: Mapping[str, DatasetIndex]) -> None:
    """Write `config.json`: all settings, package versions, and a hash of each data set.

    A resumed run keeps its first command and time; those of resuming are added to them.
    """
    path, now = folder / "config.json", datetime.now().astimezone().isoformat(timespec="seconds")
    record: dict[str, Any] = {"command": sys.argv, "started": now, "resumed": []}
    if path.exists():
        earlier = _read(folder)
        resumed = [*earlier.resumed, {"command": sys.argv, "started": now}]
        record = {"command": earlier.command, "started": earlier.started, "resumed": resumed}
    record |= {
        "config": dict(config),
        "data": {
            name: {"images": len(index), "objects": len(index.labels), "sha256": hash_index(index)}
            for name, index in indexes.items()
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    write_text(path, text + "\n", errors=NOT_UTF8)


def _read(folder: Path) -> Record:
    """Read `config.json`; ValueError with the fix if it is missing or damaged."""
    path = folder / "config.json"
    try:
        return conform(json.loads(path.read_text("utf-8")), Record)
    except (OSError, ValueError, RecursionError) as error:  # brackets within brackets, thousands of them
        raise ValueError(_unreadable(path, error)) from None


def _unreadable(path: Path, error: Exception) -> str:
    weights = f" with --weights {path.parent / LAST}" if has_checkpoint(path.parent) else ""
    fix = f"start a new run{weights}"
    return f"{path} cannot be read ({read_failure(error)}): {fix}"


def read_config(folder: Path, kind: type[ConfigT]) -> ConfigT:
    """Read the settings of a run as the dataclass `kind`; fields added since have their defaults."""
    saved = _read(folder).config
    types = {name: hint for name, hint in flat_types(kind).items() if name in saved}
    try:
        values = {name: conform(_as_list(saved[name], hint), hint, name) for name, hint in types.items()}
        config = with_values(kind(), values)
        check_ranges(config)
    except ValueError as error:
        raise ValueError(_unreadable(folder / "config.json", error)) from None
    return config


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


def _as_list(value: Any, hint: Any) -> Any:
    """Return a text as a list of it where the type is of several: old runs had a single value."""
    if isinstance(value, str) and get_origin(hint) is tuple:
        return [value] if value else []
    return value


def changed_data(folder: Path, indexes: Mapping[str, DatasetIndex]) -> list[str]:
    """Return a sentence for each data set that has changed since the run in `folder` last went on."""
    recorded = _read(folder).data
    return [
        f"the {name} data has changed since the run was started: {len(index)} images and "
        f"{len(index.labels)} objects, {recorded[name].images} and {recorded[name].objects} before"
        for name, index in indexes.items()
        if name in recorded and recorded[name].sha256 != hash_index(index)
    ]


def recorded_hash(folder: Path, name: str) -> str:
    """Return the hash of a data set in `config.json`; "" if it has none."""
    data = _read(folder).data if (folder / "config.json").exists() else {}
    return data[name].sha256 if name in data else ""


def hash_index(index: DatasetIndex) -> str:
    """Return the SHA-256 of labels and file names, which does not depend on where the data is stored."""
    digest = hashlib.sha256("\n".join(index.class_names).encode())
    for path in index.paths():
        digest.update(path.rpartition(os.sep)[2].encode(errors=PATH_ERRORS))
    for array in (index.box_offsets, index.boxes, index.labels, index.difficult, index.crowd):
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # OpenCV has several package names
            found[package] = "unknown"
    return found
