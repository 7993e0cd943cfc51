"""Confidence thresholds: one number, or the thresholds of best F1, which are stored with the weights."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from utils.system.settings import Fraction

Confidence = float | Literal["best", "best-by-class"] | None
DEFAULT_CONFIDENCE = 0.5
THRESHOLDS_KEY = "thresholds"  # in a checkpoint, and in the metadata of exported files


class Thresholds(NamedTuple):
    """Confidence thresholds of best F1 on a data set: one overall, and one per class."""

    overall: Fraction
    by_class: tuple[Fraction, ...]


def best_thresholds(overall: float, by_class: np.ndarray) -> Thresholds:
    """Return thresholds from the confidences of best F1 in an evaluation: overall, and by class [C].

    A class whose confidence is NaN gets the overall threshold. ValueError if `overall` is NaN.
    """
    if math.isnan(overall):
        raise ValueError("no object was detected, so there is no best threshold to store with the weights")
    return Thresholds(overall, tuple(overall if math.isnan(own) else own for own in by_class.tolist()))


def class_confidences(
    confidence: Confidence, stored: Thresholds | None, num_classes: int
) -> tuple[float, ...]:
    """Return the confidence threshold of each class.

    confidence  number for all classes; "best" (overall) or "best-by-class" for stored thresholds; None for
        the stored overall threshold, or .5 if none is stored
    ValueError for a number outside 0..1, and if the requested thresholds are not stored.
    """
    if confidence is None:
        confidence = DEFAULT_CONFIDENCE if stored is None else "best"
    if isinstance(confidence, str):
        if stored is None:
            raise ValueError(
                f"--confidence {confidence}: the weights hold no thresholds; measure them with "
                "get_map.py --store-thresholds, or give a number"
            )
        return stored.by_class if confidence == "best-by-class" else (stored.overall,) * num_classes
    if not 0 <= confidence <= 1:
        raise ValueError(f"--confidence is between 0 and 1, not {confidence}")
    return (float(confidence),) * num_classes


def change_confidences(
    confidences: Sequence[float], class_names: Sequence[str], changes: Mapping[str, float]
) -> tuple[float, ...]:
    """Return the confidence thresholds after applying `changes`, by class name.

    ValueError for an unknown class, and for a number outside 0..1.
    """
    check_class_names("--class-confidence", changes, class_names)
    for name, value in changes.items():
        if not 0 <= value <= 1:
            raise ValueError(f"--class-confidence {name}={value:g}: it is between 0 and 1")
    return tuple(
        changes.get(name, unchanged) for name, unchanged in zip(class_names, confidences, strict=True)
    )


def check_class_names(flag: str, names: Iterable[str], class_names: Sequence[str]) -> None:
    """Raise ValueError unless all `names` are class names."""
    unknown = [name for name in names if name not in class_names]
    if unknown:
        raise ValueError(
            f"{flag}: there is no class {', '.join(unknown)}; there are {', '.join(class_names)}"
        )


def parse_class_confidence(texts: Sequence[str]) -> dict[str, float]:
    """Parse `name=0.3` texts to thresholds by class name; names may contain `=`. ValueError if malformed."""
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


def describe_confidences(
    confidences: Sequence[float], class_names: Sequence[str], only: Sequence[str] = ()
) -> str:
    """Return the confidence thresholds as one line for the log."""
    pairs = [
        (name, f"{value:.3g}")
        for name, value in zip(class_names, confidences, strict=True)
        if not only or name in only
    ]
    usual, count = Counter(value for _, value in pairs).most_common(1)[0]
    if 2 * count <= len(pairs):
        return "confidence " + ", ".join(f"{name} {value}" for name, value in pairs)
    text = f"confidence {usual}"
    if others := [f"{name} {value}" for name, value in pairs if value != usual]:
        text += f", but {', '.join(others)}"
    return text + (f", only {', '.join(only)}" if only else "")
