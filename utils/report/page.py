"""The report: one self-contained HTML file with metrics, curves and images.

Metrics and the class table are HTML; `assets/script.js` draws the rest from JSON embedded in the page.
"""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from utils.report.data import Report, report_data
from utils.system.files import NOT_UTF8, read_text, write_text
from utils.system.terminal import printable

ASSETS = Path(__file__).parent / "assets"
TILES = (  # key, name, description
    ("map", "mAP50-95", "IoU .50 to .95"),
    ("map50", "mAP50", "IoU .50"),
    ("map75", "mAP75", "IoU .75"),
    ("small", "AP", "small objects"),
    ("medium", "AP", "medium objects"),
    ("large", "AP", "large objects"),
    ("ar100", "AR", "average recall, 100 detections"),
    ("voc_area", "mAP", "VOC, area"),
    ("voc07", "mAP", "VOC 2007, 11 points"),
    ("precision", "P at {threshold:.2f}", "mean precision at that confidence"),
    ("recall", "R at {threshold:.2f}", "mean recall at that confidence"),
    ("f1", "F1 at {threshold:.2f}", "mean F1 at that confidence"),
    ("best_f1", "F1", "best mean F1"),
    ("best_confidence", "confidence", "confidence of the best mean F1"),
    ("miss_rate", "MR", "log-average miss rate, lower is better"),
)
INTERVAL_NAMES = {"voc07": "voc07_11point"}  # metrics whose interval has another name
COLUMNS = (  # key, heading
    ("objects", "objects"),
    ("detections", "detections"),
    ("ap", "AP"),
    ("ap50", "AP50"),
    ("voc_area", "VOC"),
    ("voc07", "VOC07"),
    ("small", "AP S"),
    ("medium", "AP M"),
    ("large", "AP L"),
    ("precision", "P"),
    ("recall", "R"),
    ("f1", "F1"),
    ("best_f1", "best F1"),
    ("best_confidence", "at confidence"),
)


def write_report(path: Path, report: Report) -> None:
    """Write the HTML page atomically."""
    data = report_data(report)
    parts = {
        "title": escape(report.title),
        "style": read_text(ASSETS / "style.css"),
        "verdict": _verdict(data),
        "facts": "".join(
            f"<dt data-text>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.facts
        ),
        "comparisons": "".join(f"<p>{escape(sentence)}.</p>" for sentence in report.comparisons),
        "tiles": "".join(_tile(data, *tile) for tile in TILES),
        "class_table": _class_table(data),
        "texts": _embedded(json.loads(read_text(ASSETS / "texts.json"))),
        "script": read_text(ASSETS / "script.js"),
        "data": _embedded(data),
    }
    pieces = read_text(ASSETS / "page.html").split("[[")
    page = [pieces[0]]
    for piece in pieces[1:]:  # split once, because an inserted part may contain "[["
        name, _, rest = piece.partition("]]")
        page += [parts[name], rest]
    write_text(path, printable("".join(page)), errors=NOT_UTF8)


def _embedded(content: Any) -> str:
    """Return JSON that is safe inside a <script> element: no class name can close it."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _verdict(data: dict[str, Any]) -> str:
    objects = sum(data["perClass"]["objects"])
    classes = sum(number > 0 for number in data["perClass"]["objects"])
    return (
        f"<b>mAP50-95 {_figure(data['summary']['map'])}</b>{_interval(data, 'map')}, "
        f"<b>mAP50 {_figure(data['summary']['map50'])}</b>{_interval(data, 'map50')}, "
        f"{data['imageCount']:,} <span data-text>images</span>, {objects:,} <span data-text>objects</span>, "
        f"{classes} <span data-text>classes</span>"
    )


def _interval(data: dict[str, Any], name: str) -> str:
    low, high = data["intervals"].get(INTERVAL_NAMES.get(name, name), (None, None))
    return "" if low is None or high is None else f" ({low:.3f}–{high:.3f})"


def _tile(data: dict[str, Any], key: str, name: str, meaning: str) -> str:
    interval = _interval(data, key)
    span = f'<span class="interval">95 %: {interval.strip(" ()")}</span>' if interval else ""
    main = " main" if key == "map" else ""
    name = name.format(threshold=data["scoreThreshold"])
    return (
        f'<div class="tile{main}" data-figure="{key}"><b>{_figure(data["summary"][key])}</b>'
        f"<span>{name}</span><span data-text>{meaning}</span>{span}</div>"
    )


def _class_table(data: dict[str, Any]) -> str:
    heads = "".join(f'<th scope="col">{_head(name)}</th>' for name in ("Classes", *(n for _, n in COLUMNS)))
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{_cells(data["perClass"], label)}</tr>'
        for label, name in enumerate(data["classes"])
    )
    caption = "<caption data-text>Metrics of each class; click a column head to sort</caption>"
    return f'<table id="class-table">{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _head(name: str) -> str:
    return f'<button type="button" data-text>{name}</button>'


def _cells(columns: dict[str, Sequence[Any]], label: int) -> str:
    values = [columns[key][label] for key, _ in COLUMNS]
    return "".join(
        f'<td data-value="{"" if value is None else value}">{_figure(value)}</td>' for value in values
    )


def _figure(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
