"""Detections on a data set: order, batches, workers, losses and unreadable images."""

import cv2
import numpy as np
import pytest
import torch

from tests.utils.inference.fixed_detector import FixedDetector
from tests.utils.train.tiny_training import CPU, SIDE, drawn_index, make_trainer
from utils.data.index import ImageRecord, build_index
from utils.inference.detect import DetectSettings, detect_batch
from utils.inference.detect_dataset import detect_dataset
from utils.loader.batch import batch_to_device
from utils.loader.eval_dataset import EvalDataset


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"), 5)


def test_stages_are_timed():
    index = build_index([ImageRecord("gone.jpg")], ["a", "b"])
    watch = detect_dataset(FixedDetector(), index, (SIDE, SIDE), 2, 0, DetectSettings()).watch
    assert list(watch.seconds) == ["loading", "network", "NMS"] and min(watch.seconds.values()) > 0


def test_every_image_in_order_the_last_batch_too(index):
    detector = FixedDetector()
    found = detect_dataset(detector, index, (SIDE, SIDE), 2, 0, DetectSettings())
    assert detector.sizes == [2, 2, 1] and len(found.detections) == 5
    assert found.skipped == [] and found.losses == {}


def test_workers_and_batches_change_nothing(index):
    detector = make_trainer(index).detector
    settings = DetectSettings(confidence=0.0)
    first = detect_dataset(detector, index, (SIDE, SIDE), 5, 0, settings)
    again = detect_dataset(detector, index, (SIDE, SIDE), 5, 1, settings)
    for one, two in zip(first.detections, again.detections, strict=True):
        assert np.array_equal(one.boxes, two.boxes) and np.array_equal(one.scores, two.scores)
    single = detect_dataset(detector, index, (SIDE, SIDE), 1, 0, settings)
    for one, two in zip(first.detections, single.detections, strict=True):
        assert one.best_score == pytest.approx(two.best_score, rel=1e-4)


def test_losses_are_means_over_images(index):
    detector = make_trainer(index).detector.eval()
    dataset = EvalDataset(index, (SIDE, SIDE), detector.pixels.pad_value, detector.pixels.pad_centred)
    with torch.no_grad():
        parts = [detector.losses(*batch_to_device(dataset.batch(k), CPU)) for k in ([0, 1, 2, 3], [4])]
    found = detect_dataset(detector, index, (SIDE, SIDE), 4, 0, DetectSettings(), detector.losses).losses
    assert found.keys() == {"box", "objectness", "class", "l1"}
    for name, value in found.items():
        # 4 images in the first batch, 1 in the second.
        assert value == pytest.approx((4 * parts[0][name].item() + parts[1][name].item()) / 5, rel=1e-5)


def test_an_unreadable_image_is_named_and_keeps_its_place(tmp_path):
    index = drawn_index(tmp_path, 3)
    index.path(1).write_bytes(b"no image")
    found = detect_dataset(FixedDetector(), index, (SIDE, SIDE), 2, 0, DetectSettings())
    assert found.skipped == [str(index.path(1))] and len(found.detections) == 3


def test_rectangular_batches_give_each_image_its_own(tmp_path):
    """Images of three shapes, taken in another order than theirs; here as if each were a batch."""
    records = []
    for number, shape in enumerate([(64, 64), (20, 64), (64, 30)]):
        path = tmp_path / f"{number}.png"
        path.write_bytes(cv2.imencode(".png", np.full((*shape, 3), 60 * number, np.uint8))[1].tobytes())
        records.append(ImageRecord(str(path)))
    index = build_index(records, ["left", "right"])
    detector = make_trainer(index).detector
    settings = DetectSettings(confidence=0.0, rectangular=True)
    found = detect_dataset(detector, index, (SIDE, SIDE), 1, 0, settings).detections
    assert [detections.candidates for detections in found] == [64 + 16 + 4, 32 + 8 + 2, 32 + 8 + 2]
    for number, detections in enumerate(found):
        batch = EvalDataset(index, (SIDE, SIDE), stride=32)[number]
        (alone,) = detect_batch(detector, batch.images, batch.letterboxes, settings)
        assert np.array_equal(detections.boxes, alone.boxes)
    together = detect_dataset(detector, index, (SIDE, SIDE), 3, 0, settings).detections
    assert [detections.candidates for detections in together] == [64 + 16 + 4] * 3
