"""From pixels to detections in the original image."""

import numpy as np
import torch

from tests.utils.inference.fixed_detector import FixedDetector
from utils.images.letterbox import plan_letterbox
from utils.inference.detect import DetectSettings, detect_batch


def blank(number):
    return torch.zeros(number, 3, 64, 64, dtype=torch.uint8)


def test_boxes_come_back_to_the_image():
    # 200 wide and 100 high into 64 x 64: scale .32; centred, so 16 rows above.
    plans = [plan_letterbox((100, 200), (64, 64), centred) for centred in (True, False)]
    centred, plain = detect_batch(FixedDetector(), blank(2), plans, DetectSettings(confidence=0.5))
    np.testing.assert_allclose(centred.boxes, [[50, 0, 100, 100]])  # 16 / .32, (16 - 16) / .32, ...
    np.testing.assert_allclose(plain.boxes, [[50, 50, 100, 100]])  # the lower end is clipped to the image
    assert centred.scores.tolist() == [0.75] and centred.labels.tolist() == [1]
    assert centred.boxes.dtype == centred.scores.dtype == np.float32
    assert (centred.best_score, centred.best_label, centred.candidates) == (0.75, 1, 2)


def test_settings_decide():
    plan = [plan_letterbox((64, 64), (64, 64))]
    numbers = [
        len(detect_batch(FixedDetector(), blank(1), plan, settings)[0])
        for settings in (DetectSettings(), DetectSettings(0.5), DetectSettings(0.8), DetectSettings(0, 1, 1))
    ]
    assert numbers == [2, 1, 0, 1]


def test_training_mode_is_left():
    detector = FixedDetector().train()
    detect_batch(detector, blank(1), [plan_letterbox((64, 64), (64, 64))], DetectSettings())
    assert not detector.training
