"""Divides a data set into folds for cross-validation, with each class spread evenly over them.

By iterative stratification: Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data",
ECML PKDD 2011. Unlike there, the sizes of two folds differ by one image at most.
"""

import numpy as np

from utils.data.index import DatasetIndex


def assign_folds(index: DatasetIndex, folds: int) -> np.ndarray:
    """Return the fold of each image, from 1 to `folds`: int64 [N], the same every time.

    ValueError if there are fewer images with objects than folds: no metric could be computed in some of them.
    """
    counted = ~(index.difficult | index.crowd)
    image_numbers = np.repeat(np.arange(len(index)), np.diff(index.box_offsets))
    present = np.zeros((len(index), len(index.class_names)), bool)
    present[image_numbers[counted], index.labels[counted]] = True
    with_objects = int(present.any(1).sum())
    if with_objects < folds:
        raise ValueError(
            f"--folds {folds}: only {with_objects} of {len(index)} images have objects to learn from, and "
            "each fold needs one: choose fewer folds, or add images"
        )
    return stratify(present, folds) + 1


def stratify(present: np.ndarray, folds: int) -> np.ndarray:
    """Return the fold of each image, from 0: int64 [N].

    present  bool [N, C], which classes are in which image

    Images of the class that is left in the fewest images come first. Each one goes to the fold that has the
    fewest images of that class, of several such folds to the one that has least of all its classes, and then
    to the smallest.
    """
    number, classes = present.shape
    size, larger = divmod(number, folds)  # `larger` folds have one image more than `size`
    sizes, counts = np.zeros(folds, np.int64), np.zeros((folds, classes), np.int64)
    fold_of = np.full(number, -1)
    share = 1 / np.maximum(present.sum(0), 1)
    order = np.random.default_rng(0).permutation(number)  # neighbours are often alike

    def put(image: int, having: np.ndarray) -> None:
        has_room = (sizes < size) | ((sizes == size) & ((sizes > size).sum() < larger))
        fold = next(
            fold for fold in np.lexsort((sizes, counts @ (share * present[image]), having)) if has_room[fold]
        )
        fold_of[image] = fold
        sizes[fold] += 1
        counts[fold] += present[image]

    while (left := present[fold_of < 0].sum(0)).any():
        label = np.where(left, left, number + 1).argmin()
        for image in order[present[order, label] & (fold_of[order] < 0)]:
            put(image, counts[:, label])
    for image in order[fold_of[order] < 0]:  # without objects
        put(image, sizes)
    return fold_of
