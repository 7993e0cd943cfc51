"""Class weights of the class loss, for data sets with rare classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.data.index import DatasetIndex, count_objects
from utils.system.files import read_text

NONE, AUTO = "none", "auto"
MAX_WEIGHT_RATIO = 10.0  # between the rarest class and the most frequent one


def choose_class_weights(choice: str, train: DatasetIndex) -> tuple[float, ...] | None:
    """Return a weight for each class by --class-weights: "none", "auto" (inverse frequency) or a file."""
    if choice == NONE:
        return None
    if choice == AUTO:
        return auto_weights(count_objects(train))
    if not Path(choice).is_file():
        raise ValueError(
            f"--class-weights takes none, auto or a file; there is no file {Path(choice).absolute()}"
        )
    return read_class_weights(choice, train.class_names)


def weights_line(weights: Sequence[float], class_names: Sequence[str]) -> str:
    """Return the weights by class name, for the log."""
    return "class weights: " + ", ".join(f"{n} {w:.3g}" for n, w in zip(class_names, weights, strict=True))


def auto_weights(counts: np.ndarray) -> tuple[float, ...]:
    """Return weights in inverse proportion to the square root of class counts, int [C].

    They are scaled to a mean of 1 over all objects, which keeps the size of the class loss. The square root
    is that of LVIS's repeat factors (https://arxiv.org/abs/1908.03195): with the plain inverse a few objects,
    label errors included, would weigh as much as thousands. At most `MAX_WEIGHT_RATIO` times the weight of
    the most frequent class; 1 for a class without objects.
    """
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = np.minimum(np.sqrt(counts.max() / counts[present]), MAX_WEIGHT_RATIO)
    weights[present] *= counts.sum() / (weights * counts).sum()
    return tuple(weights.tolist())


def read_class_weights(path: str | Path, class_names: Sequence[str]) -> tuple[float, ...]:
    """Read class weights from a file with lines `name weight`; classes not listed get 1.

    ValueError naming the line if the class is unknown or listed twice, or the weight not a positive number.
    """
    weights: dict[str, float] = {}
    for number, line in enumerate(read_text(Path(path)).splitlines(), 1):
        if not line.strip():
            continue
        where = f"--class-weights {path}, line {number}: "
        name, _, text = line.strip().replace("\t", " ").rpartition(" ")
        name = name.strip()
        if name not in class_names:
            raise ValueError(
                f"{where}unknown class '{name}'; each line is a class name and a weight, and the classes are "
                f"{', '.join(class_names)}"
            )
        if name in weights:
            raise ValueError(f"{where}'{name}' is listed twice: keep one line")
        try:
            weights[name] = float(text)
        except ValueError:
            raise ValueError(f"{where}'{text}' is not a number") from None
        if not 0 < weights[name] < float("inf"):  # false for NaN too
            raise ValueError(
                f"{where}a weight must be greater than 0, not {text}; to ignore a class, remove it from the "
                "list of classes"
            )
    return tuple(weights.get(name, 1.0) for name in class_names)
