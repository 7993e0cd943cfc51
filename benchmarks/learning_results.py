"""Results of the learning benchmark: intervals over seeds, a table, and those kept to compare with."""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from utils.data.summary import align_columns
from utils.system.files import write_text

STUDENT_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # 95 %, from 1 degree of freedom on
OURS = "boxwright"  # the name of our results beside those of peers

Results = dict[str, dict[str, list["Outcome"]]]  # outcomes over the seeds, by case and program


class Outcome(NamedTuple):
    """The results of a training: COCO APs, NaN where no object is of that size, and its seconds."""

    ap: float
    ap50: float
    small: float
    medium: float
    large: float
    seconds: float


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the width of its 95 % interval: NaN for one value, both if a value is NaN."""
    if len(values) < 2 or any(map(math.isnan, values)):
        return values[0] if len(values) == 1 else math.nan, math.nan
    factor = STUDENT_T[min(len(values) - 2, len(STUDENT_T) - 1)]
    return statistics.mean(values), factor * statistics.stdev(values) / math.sqrt(len(values))


def table(results: Results) -> str:
    """Return the results as a table: means over the seeds, with 95 % intervals of AP and AP50, in points."""
    rows = [["", "AP", "AP50", "small", "medium", "large", "seconds"]]
    for title, by_program in results.items():
        for program, outcomes in by_program.items():
            columns = [[getattr(outcome, name) for outcome in outcomes] for name in Outcome._fields]
            *means, seconds = [interval(column) for column in columns]
            points = [f"{in_points(mean)} ± {in_points(half)}" for mean, half in means[:2]]
            points += [in_points(mean) for mean, _ in means[2:]]
            rows.append([f"{title}: {program}", *points, f"{seconds[0]:.0f}"])
    return align_columns(rows)


def in_points(value: float) -> str:
    """Return a fraction in points, with one decimal; a dash for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def losses(results: Results, kept: dict[str, list[Outcome]]) -> list[str]:
    """Return a sentence for each case whose AP fell by more than two standard errors of the difference."""
    lines = []
    for title, by_program in results.items():
        now, before = (
            [outcome.ap for outcome in outcomes] for outcomes in (by_program[OURS], kept.get(title, []))
        )
        if len(now) < 2 or len(before) < 2:
            continue
        error = math.sqrt(statistics.variance(now) / len(now) + statistics.variance(before) / len(before))
        difference = statistics.mean(now) - statistics.mean(before)
        if difference < -2 * error:
            lines.append(
                f"{title}: {-100 * difference:.1f} points of AP lost; seeds differ by {200 * error:.1f}"
            )
    return lines


def read_kept(path: Path) -> dict[str, list[Outcome]]:
    """Read the results kept, by case."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text("utf-8"))
    return {
        title: [Outcome(**{n: math.nan if v is None else v for n, v in row.items()}) for row in rows]
        for title, rows in content.items()
    }


def keep(path: Path, results: Results) -> None:
    """Add our results to those kept, in place of earlier ones of the same cases."""
    everything = read_kept(path) | {title: by_program[OURS] for title, by_program in results.items()}
    content = {title: [rounded(outcome) for outcome in outcomes] for title, outcomes in everything.items()}
    write_text(path, json.dumps(content, indent=2) + "\n")


def rounded(outcome: Outcome) -> dict[str, float | None]:
    """Return the results as plain data, None for NaN."""
    return {name: None if math.isnan(value) else round(value, 4) for name, value in outcome._asdict().items()}
