"""Several data sets as one: classes are matched by name, and no image is taken twice."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from warnings import warn

import numpy as np

from utils.data.class_names import names_to_paste, names_with_counts
from utils.data.index import DatasetIndex, concatenate, select_boxes, select_images

SHOWN = 5  # class names in one message


def join_indexes(
    indexes: Sequence[DatasetIndex], class_names: Sequence[str] | None = None, sources: Sequence[str] = ()
) -> DatasetIndex:
    """All images of the indexes, in their order; of an image that is there several times, the first.

    class_names  the classes of the result, matched by name: objects of others are left out with a warning.
        None: those of the first index, then what the others have beyond; a warning says how they differ.
    sources      what the data sets are called in warnings
    """
    sources = sources or [f"data set {number}" for number in range(1, len(indexes) + 1)]
    if class_names is None:
        class_names = list(dict.fromkeys(name for index in indexes for name in index.class_names))
        _warn_of_differences(indexes, class_names, sources)
    matched = [relabel(index, class_names, source) for index, source in zip(indexes, sources, strict=True)]
    return _without_repeats(concatenate(matched), ", ".join(sources))


def relabel(index: DatasetIndex, class_names: Sequence[str], source: str) -> DatasetIndex:
    """The index with its labels in the order of `class_names`; other objects are left out with a warning.

    `ValueError` if there are objects and no name matches.
    """
    if index.class_names == tuple(class_names):
        return index
    label_of = {name: label for label, name in enumerate(class_names)}
    new_labels = np.array([label_of.get(name, -1) for name in index.class_names], np.int32)
    labels = new_labels[index.labels]
    strangers = Counter(index.class_names[label] for label in index.labels[labels < 0].tolist())
    if strangers and (labels < 0).all():
        raise ValueError(f"no object of {source} belongs to one of the classes. {names_to_paste(strangers)}")
    if strangers:
        warn(f"{source}: left out, as not in the class list: {names_with_counts(strangers)}", stacklevel=3)
    matched = replace(index, class_names=tuple(class_names), labels=labels)
    return select_boxes(matched, labels >= 0)


def _warn_of_differences(
    indexes: Sequence[DatasetIndex], class_names: Sequence[str], sources: Sequence[str]
) -> None:
    differences = []
    for index, source in zip(indexes, sources, strict=True):
        if lacking := [name for name in class_names if name not in index.class_names]:
            differences.append(f"{source} lacks {_some(lacking)}")
    if not differences and any(index.class_names != tuple(class_names) for index in indexes):
        differences.append("they stand in another order")
    if differences:
        warn(f"the data sets differ in their classes, joined by name: {'; '.join(differences)}", stacklevel=3)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _without_repeats(index: DatasetIndex, source: str) -> DatasetIndex:
    text = index.path_bytes.tobytes()
    seen: set[str] = set()
    keep = np.ones(len(index), bool)
    for image, (start, end) in enumerate(pairwise(index.path_offsets.tolist())):
        path = os.path.normpath(text[start:end].decode("utf-8"))
        keep[image] = path not in seen
        seen.add(path)
    if keep.all():
        return index
    first = index.path(int(np.flatnonzero(~keep)[0]))
    count = int((~keep).sum())
    warn(f"{source}: {count} images are there again, the first is kept: {first}", stacklevel=3)
    return select_images(index, keep)
