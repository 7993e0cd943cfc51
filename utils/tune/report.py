"""The report of a search: trials as table and CSV, the result as JSON, and the command that uses it."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.data.summary import align_columns
from utils.system.csv_text import csv_text
from utils.system.files import NOT_UTF8, write_text
from utils.tune.comparison import Comparison
from utils.tune.outcome import Outcome, defaults_of, ranked
from utils.tune.search_space import Dimension, Value, text_of

TOP = 5  # trials of the table


def trials_table(outcomes: Sequence[Outcome], space: Sequence[Dimension], rungs: Sequence[int]) -> str:
    """Return the best trials as a table, and the defaults below them if they are not among them."""
    defaults = defaults_of(space)
    best = ranked(outcomes)
    shown = best[:TOP] + [outcome for outcome in best[TOP:] if outcome.params == defaults][:1]
    rows = [["trial", "mAP50-95", "epochs", *(each.name for each in space)]]
    for outcome in shown:
        name = f"{outcome.number + 1}{' (defaults)' if outcome.params == defaults else ''}"
        epochs = str(rungs[len(outcome.values) - 1])
        values = [_shown(outcome.params[each.name]) for each in space]
        rows.append([name, f"{outcome.values[-1]:.4f}", epochs, *values])
    return align_columns(rows)


def write_trials(
    path: Path, outcomes: Sequence[Outcome], space: Sequence[Dimension], rungs: Sequence[int]
) -> None:
    """Write trials.csv: a row for each trial, with mAP50-95 after each rung, and seconds."""
    names = [each.name for each in space]
    rows: list[list[object]] = [
        ["trial", "state", *(f"map50_95_{epochs}_epochs" for epochs in rungs), "seconds", *names, "error"]
    ]
    for outcome in outcomes:
        values = [f"{value:.6f}" for value in outcome.values] + [""] * (len(rungs) - len(outcome.values))
        settings = [_shown(outcome.params[name]) for name in names]
        seconds = f"{sum(outcome.seconds):.1f}"
        rows.append([outcome.number + 1, outcome.state, *values, seconds, *settings, outcome.error])
    write_text(path, csv_text(rows), errors=NOT_UTF8)


def write_result(
    path: Path, best: Outcome, comparison: Comparison | None, command: str, measured_on: Sequence[str]
) -> None:
    """Write result.json: the settings found, the figures of the comparison, and the command to use."""
    content: dict[str, Any] = {
        "better": comparison is not None and comparison.better,
        "trial": best.number + 1,
        "settings": dict(best.params),
        "search_map50_95": best.values[-1],
        "command": command,
    }
    if comparison is not None:
        content |= {
            "measured_on": list(measured_on),
            "seeds": comparison.seeds,
            "defaults": comparison.defaults,
            "found": comparison.found,
            "failed": comparison.failed,
        }
        if comparison.decision:
            content |= {"difference": comparison.decision.difference, "needed": comparison.decision.needed}
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n", errors=NOT_UTF8)


def command_of(flags: Sequence[str]) -> str:
    """Return the command that trains with these flags, quoted for a POSIX shell."""
    return f"python train.py {shlex.join(flags)}"


def _shown(value: Value) -> str:
    return "default" if value is None else text_of(value)
