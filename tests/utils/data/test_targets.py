"""Objects of a batch: joined, mirrored, padded; and which of an index are targets."""

import cv2
import numpy as np
import torch

from utils.augment.settings import NO_AUGMENTATION
from utils.data.index import ImageRecord, build_index
from utils.data.targets import (
    Objects,
    join_objects,
    mirror_objects,
    on_samples,
    pad_targets,
    training_objects,
)
from utils.loader.eval_dataset import EvalDataset
from utils.loader.train_dataset import SampleKey, TrainDataset


def test_targets_are_padded_to_multiples_of_eight():
    def objects(number):
        return np.full((number, 4), number, np.float32), np.full(number, number % 5)

    for longest, length in [(0, 8), (1, 8), (8, 8), (9, 16), (25, 32)]:
        boxes, labels, valid = pad_targets(join_objects([objects(longest), objects(0)]), 2)
        assert boxes.shape == (2, length, 4) and boxes.dtype == torch.float32
        assert labels.shape == (2, length) and labels.dtype == torch.int64
        assert valid.sum(1).tolist() == [longest, 0]
        assert (boxes[valid] == longest).all() and not boxes[~valid].any() and not labels[~valid].any()


def test_crowds_and_difficult_objects_are_no_targets(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((100, 100, 3), np.uint8))
    boxes = np.array([[0, 0, 10, 10], [10, 10, 30, 30], [50, 50, 90, 90]], np.float32)
    record = ImageRecord(
        str(tmp_path / "a.png"),
        boxes,
        np.array([0, 1, 2], np.int32),
        difficult=np.array([True, False, False]),
        crowd=np.array([False, False, True]),
    )
    index = build_index([record], ["a", "b", "c"])
    size = (100, 100)
    kept, labels = training_objects(index, 0)
    assert kept.tolist() == [[10, 10, 30, 30]] and labels.tolist() == [1]
    assert TrainDataset(index, [size], NO_AUGMENTATION)[SampleKey(0, 0, size)].targets.valid.sum() == 1
    assert EvalDataset(index, (100, 100))[0].targets.valid.sum() == 1


def test_mirroring_by_hand():
    objects = Objects(
        np.array([0, 1, 1]), np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [0, 0, 10, 5]]), np.array([7, 8, 9])
    )
    turned = mirror_objects(objects, np.array([False, True]), 10)
    assert turned.boxes.tolist() == [[1, 2, 3, 4], [7, 2, 9, 4], [0, 0, 10, 5]]
    assert turned.labels.tolist() == [7, 8, 9]


def test_what_is_blended_over_a_sample_comes_to_its_objects():
    """Three samples, and two overlays, over the samples 0 and 2."""
    objects = Objects(np.array([0, 1, 3, 4, 4]), np.zeros((5, 4)), np.array([10, 11, 13, 14, 15]))
    together = on_samples(objects, [0, 2], 3)
    assert together.sample.tolist() == [0, 0, 1, 2, 2]
    assert together.labels.tolist() == [10, 13, 11, 14, 15]


def test_no_image_has_an_object():
    empty = join_objects([(np.zeros((0, 4), np.float32), np.zeros(0, np.int32))] * 3)
    targets = pad_targets(mirror_objects(empty, np.ones(3, bool), 10), 3)
    assert targets.boxes.shape == (3, 8, 4) and not targets.valid.any()
