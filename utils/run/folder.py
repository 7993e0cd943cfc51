"""The folder of a run: its config.json, and metrics.csv with a row per epoch."""

import csv
import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import numpy as np

from utils.data.index import DatasetIndex
from utils.system.files import replacing
from utils.system.lock import is_locked
from utils.system.settings import flat_types, with_values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")
LAST, PREVIOUS = "last.pt", "previous.pt"  # the newest checkpoint, and the one before, in case it is damaged
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "opencv-python")


def create_run_folder(output: Path, name: str) -> Path:
    """Create `output/name`, named by date and time if `name` is empty. ValueError if it exists."""
    folder = output / name if name else _unused(output / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    output.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        if is_locked(folder):
            other = "wait for the training that is running in it"
        elif has_checkpoint(folder):
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


def write_config(folder: Path, config: Mapping[str, Any], indexes: Mapping[str, DatasetIndex]) -> None:
    """Write `config.json`: all settings, package versions, and a hash of each data set.

    A resumed run keeps its first command and time; those of resuming are added to them.
    """
    path, now = folder / "config.json", datetime.now().astimezone().isoformat(timespec="seconds")
    record: dict[str, Any] = {"command": sys.argv, "started": now, "resumed": []}
    if path.exists():
        record = {name: value for name, value in _read(folder).items() if name in record}
        record["resumed"] = [*record.get("resumed", []), {"command": sys.argv, "started": now}]
    record |= {
        "config": dict(config),
        "data": {
            name: {"images": len(index), "objects": len(index.labels), "sha256": hash_index(index)}
            for name, index in indexes.items()
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")


def _read(folder: Path) -> dict[str, Any]:
    """Read `config.json`; ValueError with the fix if it is missing or damaged."""
    path = folder / "config.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}): start a new run with --weights {folder / 'last.pt'}"
        ) from error


def read_config(folder: Path, kind: type[ConfigT]) -> ConfigT:
    """Read the settings of a run as the dataclass `kind`; fields added since have their defaults."""
    saved = _read(folder)["config"]
    values = {name: _as_type(saved[name], hint) for name, hint in flat_types(kind).items() if name in saved}
    return with_values(kind(), values)


def _as_type(value: Any, hint: Any) -> Any:
    """Convert a JSON value back to the type that it was written from."""
    kinds = (hint, *get_args(hint))
    if Path in kinds and value is not None:
        return Path(value)
    if any(get_origin(kind) is tuple for kind in kinds):
        if isinstance(value, str):  # an old run, which had a single value
            return (value,) if value else ()
        return None if value is None else tuple(value)
    return value


def changed_data(folder: Path, indexes: Mapping[str, DatasetIndex]) -> list[str]:
    """Return a sentence for each data set that has changed since the run in `folder` last went on."""
    recorded = _read(folder)["data"]
    return [
        f"the {name} data has changed since the run was started: {len(index)} images and "
        f"{len(index.labels)} objects, {recorded[name]['images']} and {recorded[name]['objects']} before"
        for name, index in indexes.items()
        if name in recorded and recorded[name]["sha256"] != hash_index(index)
    ]


def recorded_hash(folder: Path, name: str) -> str:
    """Return the hash of a data set in `config.json`; "" if it has none."""
    return _read(folder)["data"].get(name, {}).get("sha256", "") if (folder / "config.json").exists() else ""


def hash_index(index: DatasetIndex) -> str:
    """Return the SHA-256 of labels and file names, which does not depend on where the data is stored."""
    digest = hashlib.sha256("\n".join(index.class_names).encode())
    for path in index.paths():
        digest.update(path.rpartition(os.sep)[2].encode())
    for array in (index.box_offsets, index.boxes, index.labels, index.difficult, index.crowd):
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def append_metrics(folder: Path, row: Mapping[str, float | int | str]) -> None:
    """Add an epoch to `metrics.csv`; the first one determines the columns."""
    path = folder / "metrics.csv"
    new = not path.exists()
    with path.open("a+", newline="", encoding="utf-8") as file:
        file.seek(0)
        names = list(row) if new else next(csv.reader(file))
        writer = csv.DictWriter(file, fieldnames=names, extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerow(row)  # append mode writes at the end, wherever the file was read


def read_metrics(folder: Path) -> dict[str, list[float]]:
    """Read `metrics.csv` by column, with NaN for missing values."""
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name] or "nan") for row in rows] for name in (rows[0] if rows else ())}


def truncate_metrics(folder: Path, epochs: int) -> None:
    """Keep the rows of the first `epochs` epochs: a resumed run writes later ones again."""
    path = folder / "metrics.csv"
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    with replacing(path) as temporary:
        temporary.write_text("".join(lines[: epochs + 1]), "utf-8")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # OpenCV has several package names
            found[package] = "unknown"
    return found
