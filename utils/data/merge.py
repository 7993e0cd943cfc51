"""Merge several data sets: match classes by name, and drop duplicate images."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from utils.data.class_names import names_to_paste, some_of
from utils.data.index import PATH_ERRORS, DatasetIndex, concatenate, select_boxes, select_images
from utils.data.notes import CLASSES_DIFFER, IMAGES_REPEATED, OTHER_CLASSES, Notes, NoteTaker, merge_notes

MAX_NAMES_SHOWN = 5  # in one message


def join_indexes(
    indexes: Sequence[DatasetIndex], class_names: Sequence[str] | None = None, sources: Sequence[str] = ()
) -> DatasetIndex:
    """Return the images of all indexes in order, keeping the first occurrence of duplicate paths.

    class_names  classes of the result, matched by name; objects of other classes are skipped and noted. None:
        the classes of the first index, then the new classes of each further index; notes say how they differ.
    sources      names of the data sets in notes
    """
    notes: Notes = ()
    sources = sources or [f"data set {number}" for number in range(1, len(indexes) + 1)]
    if class_names is None:
        class_names = list(dict.fromkeys(name for index in indexes for name in index.class_names))
        notes = _differences(indexes, class_names, sources)
    matched = [relabel(index, class_names, source) for index, source in zip(indexes, sources, strict=True)]
    return _without_repeats(with_notes(concatenate(matched), notes))


def with_notes(index: DatasetIndex, notes: Notes) -> DatasetIndex:
    """Return the index with further notes."""
    return replace(index, notes=merge_notes([index.notes, notes])) if notes else index


def relabel(index: DatasetIndex, class_names: Sequence[str], source: str) -> DatasetIndex:
    """Return the index with labels changed to the order of `class_names`.

    Objects of other classes are skipped and noted. Raises `ValueError` if there are objects, but none of
    these classes.
    """
    if index.class_names == tuple(class_names):
        return index
    label_of = {name: label for label, name in enumerate(class_names)}
    new_labels = np.array([label_of.get(name, -1) for name in index.class_names], np.int32)
    labels = new_labels[index.labels]
    unknown_names = Counter(index.class_names[label] for label in index.labels[labels < 0].tolist())
    if unknown_names and (labels < 0).all():
        raise ValueError(
            f"no object of {source} belongs to one of the classes. {names_to_paste(unknown_names)}"
        )
    taker = NoteTaker()
    for name, count in unknown_names.items():
        taker.add(OTHER_CLASSES, source, "not in the class list", subject=name, count=count)
    matched = replace(index, class_names=tuple(class_names), labels=labels)
    return with_notes(select_boxes(matched, labels >= 0), taker.notes())


def _differences(
    indexes: Sequence[DatasetIndex], class_names: Sequence[str], sources: Sequence[str]
) -> Notes:
    taker = NoteTaker()
    for index, source in zip(indexes, sources, strict=True):
        if lacking := [name for name in class_names if name not in index.class_names]:
            taker.add(CLASSES_DIFFER, source, f"lacks {some_of(lacking, MAX_NAMES_SHOWN)}")
        elif index.class_names != tuple(class_names):
            taker.add(CLASSES_DIFFER, source, "has them in another order")
    return taker.notes()


def _without_repeats(index: DatasetIndex) -> DatasetIndex:
    text = index.path_bytes.tobytes()
    seen: set[str] = set()
    keep = np.ones(len(index), bool)
    taker = NoteTaker()
    for image_number, (start, end) in enumerate(pairwise(index.path_offsets.tolist())):
        path = os.path.normpath(text[start:end].decode("utf-8", PATH_ERRORS))
        keep[image_number] = path not in seen
        if path in seen:
            taker.add(IMAGES_REPEATED, path, "the first one is kept")
        seen.add(path)
    return index if keep.all() else with_notes(select_images(index, keep), taker.notes())
