"""Run all checks on a data set, and format the findings as text and JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from utils.data.summary import count_table
from utils.data.types import Size
from utils.doctor.class_checks import check_classes
from utils.doctor.duplicate_checks import check_copies
from utils.doctor.file_checks import check_files
from utils.doctor.finding import SEVERITIES, Finding, Location, number_of
from utils.doctor.label_checks import check_labels
from utils.doctor.source_checks import check_sources
from utils.doctor.splits import Split

MAX_LOCATIONS_PRINTED = 3  # per finding, in the terminal


def examine(splits: Sequence[Split], image_size: Size) -> list[Finding]:
    """Return all findings, most severe first, on the splits of `examine_splits`, training data first."""
    findings = [
        *check_files(splits),
        *check_sources(splits),
        *check_copies(splits),
        *check_classes(splits),
        *check_labels(splits, image_size),
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Return whether no finding is serious."""
    return all(finding.severity != "serious" for finding in findings)


def verdict(findings: Sequence[Finding]) -> str:
    """Summarise all findings in one sentence."""
    serious, warnings, notes = (sum(f.severity == level for f in findings) for level in SEVERITIES)
    rest = [number_of(warnings, "warning")] if warnings else []
    rest += [number_of(notes, "note")] if notes else []
    if serious:
        also = f" Also: {', '.join(rest)}." if rest else ""
        return f"Training would suffer: {number_of(serious, 'serious finding')} to fix first.{also}"
    if rest:
        return f"Ready to train; {' and '.join(rest)} to look at."
    return "Ready to train: nothing wrong was found."


def report(splits: Sequence[Split], findings: Sequence[Finding]) -> str:
    """Return counts, findings and summary as text for the terminal."""
    counts = count_table({split.name: split.index for split in splits})
    return "\n\n".join([counts, *map(_finding_text, findings), verdict(findings)])


def problems_json(splits: Sequence[Split], findings: Sequence[Finding]) -> str:
    """Return every finding with all its locations, as JSON."""
    by_name = {split.name: split for split in splits}
    record = {
        "verdict": verdict(findings),
        "healthy": is_healthy(findings),
        "findings": [_finding_json(finding, by_name) for finding in findings],
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _finding_text(finding: Finding) -> str:
    locations = [f"    {_location_text(location)}" for location in finding.locations[:MAX_LOCATIONS_PRINTED]]
    left = len(finding.locations) - len(locations)
    more = [f"    and {left:,} more in problems.json"] if left else []
    lines = [f"{finding.severity.upper()} {finding.kind}: {finding.sentence}", f"  Fix: {finding.fix}"]
    return "\n".join([*lines, *locations, *more])


def _location_text(location: Location) -> str:
    text = f"{location.split}: {location.path}"
    text += f" like {location.like}" if location.like else ""
    return text + (f": {location.detail}" if location.detail else "")


def _finding_json(finding: Finding, splits: Mapping[str, Split]) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "count": finding.number,
        "sentence": finding.sentence,
        "fix": finding.fix,
        "places": [_location_json(location, splits[location.split]) for location in finding.locations],
    }


def _location_json(location: Location, split: Split) -> dict[str, Any]:
    index = split.index
    boxes = [
        {"class": index.class_names[index.labels[box]], "box": [round(float(v), 2) for v in index.boxes[box]]}
        for box in location.boxes
    ]
    entry = {
        "split": location.split,
        "file": location.path,
        "detail": location.detail,
        "like": location.like,
        "boxes": boxes,
    }
    return {key: value for key, value in entry.items() if value}
