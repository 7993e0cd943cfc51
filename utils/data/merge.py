"""Merge several data sets: match classes by name, and drop duplicate images."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from warnings import warn

import numpy as np

from utils.data.class_names import names_to_paste, names_with_counts, some_of
from utils.data.index import DatasetIndex, concatenate, select_boxes, select_images

MAX_NAMES_SHOWN = 5  # in one message


def join_indexes(
    indexes: Sequence[DatasetIndex], class_names: Sequence[str] | None = None, sources: Sequence[str] = ()
) -> DatasetIndex:
    """Return the images of all indexes in order, keeping the first occurrence of duplicate paths.

    class_names  classes of the result, matched by name; objects of other classes are skipped with a warning.
        None: the classes of the first index, then the new classes of each further index; a warning says how
        the indexes differ.
    sources      names of the data sets in warnings
    """
    sources = sources or [f"data set {number}" for number in range(1, len(indexes) + 1)]
    if class_names is None:
        class_names = list(dict.fromkeys(name for index in indexes for name in index.class_names))
        _warn_of_differences(indexes, class_names, sources)
    matched = [relabel(index, class_names, source) for index, source in zip(indexes, sources, strict=True)]
    return _without_repeats(concatenate(matched), ", ".join(sources))


def relabel(index: DatasetIndex, class_names: Sequence[str], source: str) -> DatasetIndex:
    """Return the index with labels changed to the order of `class_names`.

    Objects of other classes are skipped with a warning. Raises `ValueError` if there are objects, but none of
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
    if unknown_names:
        warn(
            f"{source}: skipped classes not in the class list: {names_with_counts(unknown_names)}",
            stacklevel=3,
        )
    matched = replace(index, class_names=tuple(class_names), labels=labels)
    return select_boxes(matched, labels >= 0)


def _warn_of_differences(
    indexes: Sequence[DatasetIndex], class_names: Sequence[str], sources: Sequence[str]
) -> None:
    differences = []
    for index, source in zip(indexes, sources, strict=True):
        if lacking := [name for name in class_names if name not in index.class_names]:
            differences.append(f"{source} lacks {some_of(lacking, MAX_NAMES_SHOWN)}")
    if not differences and any(index.class_names != tuple(class_names) for index in indexes):
        differences.append("they are in another order")
    if differences:
        warn(
            f"the data sets differ in their classes, matched by name: {'; '.join(differences)}", stacklevel=3
        )


def _without_repeats(index: DatasetIndex, source: str) -> DatasetIndex:
    text = index.path_bytes.tobytes()
    seen: set[str] = set()
    keep = np.ones(len(index), bool)
    for image_number, (start, end) in enumerate(pairwise(index.path_offsets.tolist())):
        path = os.path.normpath(text[start:end].decode("utf-8"))
        keep[image_number] = path not in seen
        seen.add(path)
    if keep.all():
        return index
    first = index.path(int(np.flatnonzero(~keep)[0]))
    count = int((~keep).sum())
    warn(f"{source}: {count} images occur again, the first of each is kept, such as {first}", stacklevel=3)
    return select_images(index, keep)
