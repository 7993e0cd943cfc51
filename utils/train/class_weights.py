"""How much the class loss of an object counts, by class: for data in which some classes are rare."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.data.index import DatasetIndex, count_objects
from utils.system.files import read_text

NONE, AUTO = "none", "auto"
MOST = 10.0  # times as much an object of the rarest class counts as one of the most frequent


def choose_class_weights(choice: str, train: DatasetIndex) -> tuple[float, ...] | None:
    """One weight a class for --class-weights: "none", "auto" by the training data, or those of a file."""
    if choice == NONE:
        return None
    if choice == AUTO:
        return auto_weights(count_objects(train))
    if not Path(choice).is_file():
        raise ValueError(
            f"--class-weights {choice}: takes none, auto, or a file; {Path(choice).absolute()} does not exist"
        )
    return read_class_weights(choice, train.class_names)


def weights_line(weights: Sequence[float], class_names: Sequence[str]) -> str:
    """The weights by name, for the log."""
    return "class weights: " + ", ".join(f"{n} {w:.3g}" for n, w in zip(class_names, weights, strict=True))


def auto_weights(counts: np.ndarray) -> tuple[float, ...]:
    """Weights by the inverse square root of how many objects of each class there are; counts int [C].

    Scaled so that the mean over all objects is 1, and the class loss as large as ever. The square root, as in
    LVIS's repeat factors (https://arxiv.org/abs/1908.03195): the inverse itself would let a few objects, and
    whatever is wrong with their labels, count as much as thousands. Never more than `MOST` times the weight
    of the most frequent class. A class without objects has 1.
    """
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = np.minimum(np.sqrt(counts.max() / counts[present]), MOST)
    weights[present] *= counts.sum() / (weights * counts).sum()
    return tuple(weights.tolist())


def read_class_weights(path: str | Path, class_names: Sequence[str]) -> tuple[float, ...]:
    """The weights of a file with lines `name number`; classes that it does not name have 1.

    ValueError that names the line where that is no class, or its weight no number above 0.
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
                f"{where}there is no class '{name}'; a line is a name and a number, and the classes are "
                f"{', '.join(class_names)}"
            )
        if name in weights:
            raise ValueError(f"{where}'{name}' comes a second time: keep one line")
        try:
            weights[name] = float(text)
        except ValueError:
            raise ValueError(f"{where}'{text}' is no number") from None
        if not 0 < weights[name] < float("inf"):  # false for NaN too
            raise ValueError(
                f"{where}a weight is above 0, not {text}; to do without a class, take it off the list"
            )
    return tuple(weights.get(name, 1.0) for name in class_names)
