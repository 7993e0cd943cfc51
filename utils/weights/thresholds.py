"""The score from which detections are shown: a number, or the best one by F1, stored with the weights."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from utils.system.files import replacing
from utils.weights.checkpoint import load_torch_file

Confidence = float | Literal["best", "best-by-class"] | None
DEFAULT = 0.5
KEY = "thresholds"  # its entry in a checkpoint


class Thresholds(NamedTuple):
    """The scores with the best F1 on some data: one for all classes, and one for each."""

    overall: float
    by_class: tuple[float, ...]


def best_thresholds(overall: float, by_class: np.ndarray) -> Thresholds:
    """Thresholds from the confidences of the best F1 of an evaluation: over all classes, and by class [C].

    A class without a best confidence of its own (NaN) gets that over all classes.

    ValueError where nothing was found, so that no score is better than another.
    """
    if math.isnan(overall):
        raise ValueError("no object was found, so there is no best threshold to store with the weights")
    return Thresholds(overall, tuple(overall if math.isnan(own) else own for own in by_class.tolist()))


def store_thresholds(path: Path, thresholds: Thresholds) -> None:
    """Write the thresholds into a checkpoint of `train.py`, all else in it as it was; whole or not at all.

    ValueError for other files: they have no place for it.
    """
    content = load_torch_file(path)
    names = content.get("class_names") if isinstance(content, dict) else None
    if not isinstance(names, list) or len(names) != len(thresholds.by_class):
        raise ValueError(
            f"{path} is no checkpoint of train.py, so thresholds cannot be stored in it: "
            f"leave out --store-thresholds and predict with --confidence {thresholds.overall:.3f}"
        )
    content[KEY] = {"overall": thresholds.overall, "by_class": list(thresholds.by_class)}
    with replacing(path) as beside:
        torch.save(content, beside)


def stored_thresholds(content: Mapping[str, Any]) -> Thresholds | None:
    """Those in the content of a weights file; None where there are none, or they are of another form."""
    match content.get(KEY):
        case {"overall": float(overall), "by_class": list(by_class)} if {*map(type, by_class)} == {float}:
            return Thresholds(overall, tuple(by_class))
    return None


def class_confidences(asked: Confidence, stored: Thresholds | None, num_classes: int) -> tuple[float, ...]:
    """The least score of a detection of each class.

    asked  a number for all classes; "best" or "best-by-class" for what is stored; None for the stored one for
        all classes, and .5 without any
    ValueError for a number outside 0..1, and where nothing is stored that was asked for.
    """
    if asked is None:
        asked = DEFAULT if stored is None else "best"
    if isinstance(asked, str):
        if stored is None:
            raise ValueError(
                f"--confidence {asked}: the weights hold no thresholds; measure them with "
                "get_map.py --store-thresholds, or give a number"
            )
        return stored.by_class if asked == "best-by-class" else (stored.overall,) * num_classes
    if not 0 <= asked <= 1:
        raise ValueError(f"--confidence is between 0 and 1, not {asked}")
    return (float(asked),) * num_classes


def change_confidences(
    confidences: Sequence[float], class_names: Sequence[str], changes: Mapping[str, float]
) -> tuple[float, ...]:
    """The least scores with those of some classes, by name, changed.

    ValueError for a class that is not there, and for a number outside 0..1.
    """
    check_names("--class-confidence", changes, class_names)
    for name, value in changes.items():
        if not 0 <= value <= 1:
            raise ValueError(f"--class-confidence {name}={value:g}: it is between 0 and 1")
    return tuple(changes.get(name, least) for name, least in zip(class_names, confidences, strict=True))


def check_names(flag: str, names: Iterable[str], class_names: Sequence[str]) -> None:
    """ValueError unless all `names` are names of classes."""
    unknown = [name for name in names if name not in class_names]
    if unknown:
        raise ValueError(
            f"{flag}: there is no class {', '.join(unknown)}; there are {', '.join(class_names)}"
        )


def parse_class_confidence(texts: Sequence[str]) -> dict[str, float]:
    """Least scores by class name, from texts `name=0.3`; a name may hold `=` itself. ValueError otherwise."""
    values = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            values[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--class-confidence {text}: write it as name=0.3")
    return values


def describe(confidences: Sequence[float], class_names: Sequence[str], only: Sequence[str] = ()) -> str:
    """The thresholds in words, for the log."""
    pairs = [
        (name, f"{value:.3g}")
        for name, value in zip(class_names, confidences, strict=True)
        if not only or name in only
    ]
    usual, times = Counter(value for _, value in pairs).most_common(1)[0]
    if 2 * times <= len(pairs):  # each for itself
        return "confidence " + ", ".join(f"{name} {value}" for name, value in pairs)
    others = ", ".join(f"{name} {value}" for name, value in pairs if value != usual)
    wanted = f", only {', '.join(only)}" if only else ""
    return f"confidence {usual}" + (f", but {others}" if others else "") + wanted
