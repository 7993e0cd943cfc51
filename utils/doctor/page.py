"""The findings as one self-contained HTML file, without network access or scripts."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from utils.data.index import count_objects
from utils.data.types import Size
from utils.doctor.checks import is_healthy, verdict
from utils.doctor.finding import Finding, number_of
from utils.doctor.histograms import Histogram, histograms
from utils.doctor.splits import Split
from utils.doctor.thumbnails import image_locations, location_figures, sample_locations
from utils.system.files import read_text
from utils.system.terminal import printable

STYLE = Path(__file__).parent / "assets" / "style.css"
IMAGES_PER_FINDING = 6
MAX_LOCATIONS_LISTED = 20  # used if no image of a finding can be shown
SAMPLE_IMAGES = 12  # random images of the whole data set, whatever was found


def health_page(splits: Sequence[Split], findings: Sequence[Finding], image_size: Size, seed: int) -> str:
    """Return the HTML page: summary, findings with images (worst first), random images, counts, histograms.

    seed  random seed for choosing the images
    """
    rng = np.random.default_rng(seed)
    sections = [_finding(k, finding, splits, rng) for k, finding in enumerate(findings)]
    figures = "".join(_histogram(histogram) for histogram in histograms(splits, image_size))
    names = ", ".join(f"{escape(split.name)}: {number_of(len(split.index), 'image')}" for split in splits)
    state = "healthy" if is_healthy(findings) else "serious"
    return printable(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data set health</title><style>{read_text(STYLE)}</style></head><body><main>"
        f'<h1>Data set health</h1><p class="muted">{names}</p>'
        f'<p class="verdict {state}">{escape(verdict(findings))}</p>'
        f"{_contents(findings)}{''.join(sections)}{_sample(splits, rng)}"
        f"<h2>Objects per class</h2>{_count_table(splits)}"
        f'<h2>Distributions</h2>{_legend(splits)}<div class="figures">{figures}</div>'
        "</main></body></html>\n"
    )


def _contents(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    rows = "".join(
        f"<tr><td>{_badge(finding)}</td>"
        f'<td><a href="#finding-{k}">{escape(finding.kind)}</a></td>'
        f"<td>{escape(finding.sentence.partition(':')[0].rstrip('.'))}</td></tr>"
        for k, finding in enumerate(findings)
    )
    return f'<table class="contents"><tbody>{rows}</tbody></table>'


def _finding(number: int, finding: Finding, splits: Sequence[Split], rng: np.random.Generator) -> str:
    shown = sample_locations(finding.locations, IMAGES_PER_FINDING, rng)
    images = location_figures(shown, splits)
    listed = "" if images or not finding.locations else _list(finding)
    gallery = f'<div class="gallery">{"".join(images)}</div>' if images else ""
    left = len(finding.locations) - len(images)
    more = f'<p class="muted">{left:,} more in problems.json</p>' if images and left else ""
    return (
        f'<section id="finding-{number}" class="finding {finding.severity}">'
        f"<h2>{_badge(finding)} {escape(finding.kind)}</h2>"
        f"<p>{escape(finding.sentence)}</p><p><b>Fix:</b> {escape(finding.fix)}</p>"
        f"{gallery}{listed}{more}</section>"
    )


def _badge(finding: Finding) -> str:
    return f'<span class="badge {finding.severity}">{finding.severity}</span>'


def _list(finding: Finding) -> str:
    rows = "".join(
        f"<li>{escape(location.split)}: <code>{escape(location.path)}</code> {escape(location.detail)}</li>"
        for location in finding.locations[:MAX_LOCATIONS_LISTED]
    )
    left = len(finding.locations) - MAX_LOCATIONS_LISTED
    more = f"<li>and {left:,} more in problems.json</li>" if left > 0 else ""
    return f'<ul class="places">{rows}{more}</ul>'


def _sample(splits: Sequence[Split], rng: np.random.Generator) -> str:
    """Return random images with their labels: only a person sees a shifted box or a missing label."""
    number = max(2, SAMPLE_IMAGES // len(splits))
    locations = [
        location for split in splits for location in sample_locations(image_locations(split), number, rng)
    ]
    images = "".join(location_figures(locations, splits))
    return (
        "<section><h2>A sample of the labels</h2><p>Look whether the boxes fit and whether objects were "
        f'forgotten: no check finds that.</p><div class="gallery">{images}</div></section>'
    )


def _count_table(splits: Sequence[Split]) -> str:
    counts = [count_objects(split.index) for split in splits]
    head = "".join(f'<th class="number">{escape(split.name)}</th>' for split in splits)
    rows = [
        ("images", [len(split.index) for split in splits]),
        ("without objects", [int((np.diff(split.index.box_offsets) == 0).sum()) for split in splits]),
        ("objects", [int(part.sum()) for part in counts]),
        *((name, [int(part[k]) for part in counts]) for k, name in enumerate(splits[0].index.class_names)),
    ]
    body = "".join(
        f"<tr><th>{escape(name)}</th>" + "".join(f'<td class="number">{n:,}</td>' for n in row) + "</tr>"
        for name, row in rows
    )
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _legend(splits: Sequence[Split]) -> str:
    keys = "".join(
        f'<span><i class="bar s{k % 4}"></i>{escape(split.name)}</span>' for k, split in enumerate(splits)
    )
    return f'<p class="legend">{keys}</p>'


def _histogram(histogram: Histogram) -> str:
    """Return horizontal bars, for each bin one bar per split."""
    longest = max(float(histogram.shares.max(initial=0)), 1e-9)
    rows = ""
    for name, shares in zip(histogram.bins, histogram.shares.T.tolist(), strict=True):
        bars = "".join(_bar(k, share, longest) for k, share in enumerate(shares))
        rows += f"<tr><th>{escape(name)}</th><td>{bars}</td></tr>"
    title = escape(histogram.title)
    return f'<figure><figcaption>{title}</figcaption><table class="bars">{rows}</table></figure>'


def _bar(split: int, share: float, longest: float) -> str:
    bar = f'<i class="bar s{split % 4}" style="width:{80 * share / longest:.1f}%"></i>'
    return f'<div class="row">{bar}<small>{100 * share:.3g} %</small></div>'
