"""Checks of what the readers found: label files without an image, images without one, crowds."""

from collections.abc import Callable, Iterator, Sequence

from utils.data.notes import Problem
from utils.doctor.finding import Finding, Location, by_split, number_of, serious_beyond
from utils.doctor.splits import Split


def check_sources(splits: Sequence[Split]) -> list[Finding]:
    """Return all findings about files that were sought or not used, and objects that are not learned."""
    return [*unused_files(splits), *images_without_label_file(splits), *crowds(splits)]


def unused_files(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for label files without an image, images of other formats and labels of other tools."""
    if locations := _locations(splits, lambda split: split.unused_files):
        shares = {s.name: (len(s.unused_files), len(s.index) + len(s.unused_files)) for s in splits}
        counts = by_split(locations, splits)
        sentence = (
            f"{number_of(len(locations), 'file', 'are')} not used ({counts}): labels or images are lost."
        )
        fix = "Rename or convert them so that each image has its label file, or move them elsewhere."
        yield Finding("unused-files", serious_beyond(shares), len(locations), sentence, fix, locations)


def images_without_label_file(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for images whose label file was not found: they count as images without objects."""
    if locations := _locations(splits, lambda split: split.unlabelled):
        counts = by_split(locations, splits)
        sentence = (
            f"{number_of(len(locations), 'image', 'have')} no label file ({counts}): no object is learned."
        )
        fix = (
            "If they show no object, give each an empty label file; otherwise check the names and folders of "
            "the label files."
        )
        yield Finding("no-label-file", "warning", len(locations), sentence, fix, locations)


def crowds(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for crowds, which are neither learned nor evaluated."""
    counts = {split.name: int(split.index.crowd.sum()) for split in splits}
    if total := sum(counts.values()):
        text = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        most = any(2 * counts[s.name] > len(s.index.boxes) for s in splits)
        sentence = (
            f"{number_of(total, 'object', 'are')} flagged as crowds ({text}): not learned, not evaluated."
        )
        fix = "Where a box holds one object, set iscrowd to 0: some tools write 1 for every mask."
        yield Finding("crowds", "serious" if most else "note", total, sentence, fix)


def _locations(splits: Sequence[Split], problems: Callable[[Split], Sequence[Problem]]) -> list[Location]:
    return [Location(s.name, file, detail=reason) for s in splits for file, reason in problems(s)]
