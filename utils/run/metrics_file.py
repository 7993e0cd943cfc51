"""The metrics.csv of a run: a row per epoch, which is read again for curves, notices and the report."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from utils.system.files import naming_path, read_failure, replacing
from utils.system.schema import shown

METRICS = "metrics.csv"
COLUMNS = ("lr", "loss", "map50", "map50_95")  # which curves and notices need
MAX_COLUMNS = 1000


def append_metrics(folder: Path, row: Mapping[str, float | int | str]) -> None:
    """Add an epoch to `metrics.csv`; the first one determines the columns."""
    path = folder / METRICS
    names = _read_table(path)[0] if path.exists() else []
    with naming_path(path), path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names or list(row), extrasaction="ignore")
        if not names:
            writer.writeheader()
        writer.writerow(row)


def read_metrics(folder: Path) -> dict[str, list[float]]:
    """Read `metrics.csv` by column, with NaN for missing values; no columns if there are no rows.

    ValueError, which names the line, if it is no table of numbers with a column "epoch".
    """
    names, rows = _read_table(folder / METRICS)
    if not rows:
        return {}
    columns = {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    return columns | {name: [math.nan] * len(rows) for name in COLUMNS if name not in columns}


def _read_table(path: Path) -> tuple[list[str], list[list[float]]]:
    """Return the names of the columns, and the numbers line by line; ValueError if it is no such table."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, *lines = list(csv.reader(file)) or [[]]
        if names and ("epoch" not in names or len({*names}) < len(names) or len(names) > MAX_COLUMNS):
            raise ValueError("its first line does not name the columns of a run")
        rows = [[_number(text, line) for text in texts] for line, texts in enumerate(lines, 2)]
        for line, row in enumerate(rows, 2):
            if len(row) > len(names):
                raise ValueError(f"line {line} has {len(row)} values for {len(names)} columns")
            row += [math.nan] * (len(names) - len(row))  # a line that a full disk cut off
        return names, rows
    except (OSError, ValueError, csv.Error) as error:
        reason = read_failure(error)
        raise ValueError(f"{path} cannot be read ({reason}): move it away, and a new one is begun") from None


def _number(text: str, line: int) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        raise ValueError(f"line {line}: {shown(text)} is not a number") from None


def truncate_metrics(folder: Path, epochs: int) -> None:
    """Keep the rows of the first `epochs` epochs: a resumed run writes later ones again.

    Without any, nothing is kept: a full disk may have cut off the names of the columns.
    """
    path = folder / METRICS
    if not path.exists():
        path.unlink(missing_ok=True)  # a link to nothing, which appending would follow
        return
    _read_table(path)  # before it is written
    lines = path.read_text("utf-8").splitlines(keepends=True)
    with replacing(path) as temporary:
        temporary.write_text("".join(lines[: epochs + 1 if epochs else 0]), "utf-8")
