"""The health of a data set: all checks together, and the verdict in words and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from utils.data.summary import count_table
from utils.doctor.class_checks import check_classes
from utils.doctor.duplicate_checks import check_copies
from utils.doctor.file_checks import check_files
from utils.doctor.finding import SEVERITIES, Finding, Location, number_of
from utils.doctor.label_checks import check_labels
from utils.doctor.splits import Split

NAMED = 3  # places of a finding named in the terminal


def examine(splits: Sequence[Split], image_size: tuple[int, int]) -> list[Finding]:
    """Every finding, worst first; the splits have their facts, and the first is the one trained on."""
    findings = [
        *check_files(splits),
        *check_copies(splits),
        *check_classes(splits),
        *check_labels(splits, image_size),
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing was found that training would suffer from."""
    return all(finding.severity != "serious" for finding in findings)


def verdict(findings: Sequence[Finding]) -> str:
    """The whole in one sentence."""
    serious, warnings, notes = (sum(f.severity == level for f in findings) for level in SEVERITIES)
    rest = [number_of(warnings, "warning")] if warnings else []
    rest += [number_of(notes, "note")] if notes else []
    if serious:
        beside = f" Beside: {', '.join(rest)}." if rest else ""
        return f"Training would suffer: {number_of(serious, 'serious finding')} to mend first.{beside}"
    if rest:
        return f"Ready to train; {' and '.join(rest)} to look at."
    return "Ready to train: nothing was found that is wrong."


def report(splits: Sequence[Split], findings: Sequence[Finding]) -> str:
    """Counts, findings and verdict for the terminal."""
    counts = count_table({split.name: split.index for split in splits}, {})
    return "\n\n".join([counts, *map(_finding_text, findings), verdict(findings)])


def problems_json(splits: Sequence[Split], findings: Sequence[Finding]) -> str:
    """Every finding with all its places, as JSON."""
    indexes = {split.name: split for split in splits}
    record = {
        "verdict": verdict(findings),
        "healthy": is_healthy(findings),
        "findings": [
            {
                "kind": finding.kind,
                "severity": finding.severity,
                "count": finding.number,
                "sentence": finding.sentence,
                "fix": finding.fix,
                "places": [_place_json(place, indexes[place.split]) for place in finding.places],
            }
            for finding in findings
        ],
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _finding_text(finding: Finding) -> str:
    places = [f"    {_place_text(place)}" for place in finding.places[:NAMED]]
    left = len(finding.places) - len(places)
    more = [f"    and {left:,} more in problems.json"] if left else []
    lines = [f"{finding.severity.upper()} {finding.kind}: {finding.sentence}", f"  Fix: {finding.fix}"]
    return "\n".join([*lines, *places, *more])


def _place_text(place: Location) -> str:
    text = f"{place.split}: {place.path}"
    text += f" like {place.like}" if place.like else ""
    return text + (f": {place.detail}" if place.detail else "")


def _place_json(place: Location, split: Split) -> dict[str, Any]:
    index = split.index
    boxes = [
        {"class": index.class_names[index.labels[box]], "box": [round(float(v), 2) for v in index.boxes[box]]}
        for box in place.boxes
    ]
    entry = {"split": place.split, "file": place.path, "detail": place.detail, "like": place.like}
    return {name: value for name, value in {**entry, "boxes": boxes}.items() if value}
