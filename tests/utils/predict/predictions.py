"""What the tests of predictors share."""

import numpy as np

from utils.data.detections import Detections

NAMES = ("杯子", "left", "right")
CPU = {"device": "cpu", "amp": "off"}


def same(first: Detections, second: Detections) -> bool:
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("boxes", "scores", "labels"))
    return all(np.array_equal(a, b) for a, b in pairs) and first.best_score == second.best_score
