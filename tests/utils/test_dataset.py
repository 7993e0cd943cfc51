"""Batches made at once: what is in them, and what happens to pictures that cannot be read."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from utils.augment import NO_AUGMENTATION, Augmentation
from utils.dataset import DetectionDataset, EvaluationDataset, pad_targets, training_objects
from utils.image import ImageError
from utils.index import DatasetIndex, ImageRecord, build_index
from utils.letterbox import plan_letterbox

SIZE = (96, 128)


def make_index(folder: Path, number: int, broken: tuple[int, ...] = ()) -> DatasetIndex:
    """Pictures of different sizes, each with as many boxes as its number; the `broken` files are cut off."""
    rng = np.random.default_rng(0)
    records = []
    for image in range(number):
        height, width = 60 + 10 * image, 150 - 10 * image
        path = folder / f"{image}.png"
        ok, data = cv2.imencode(".png", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        assert ok
        path.write_bytes(data.tobytes()[: 200 if image in broken else None])
        corners = rng.uniform(5, 40, (image, 2))
        boxes = np.concatenate([corners, corners + 15], axis=1).astype(np.float32)
        records.append(
            ImageRecord(str(path), boxes, np.arange(image, dtype=np.int32) % 3, size=(height, width))
        )
    return build_index(records, ["a", "b", "c"])


def same(first, second) -> bool:
    return (
        torch.equal(first.images, second.images)
        and all(torch.equal(*pair) for pair in zip(first.targets, second.targets, strict=True))
        and torch.equal(first.indices, second.indices)
    )


def test_evaluation_batch(tmp_path):
    index = make_index(tmp_path, 4)
    batch = EvaluationDataset(index, SIZE).__getitems__([3, 0, 1])
    assert batch.images.shape == (3, 3, *SIZE) and batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.indices.tolist() == [3, 0, 1] and batch.skipped == []
    assert batch.letterboxes == [plan_letterbox(tuple(index.sizes[i].tolist()), SIZE) for i in (3, 0, 1)]
    assert batch.targets.valid.sum(1).tolist() == [3, 0, 1]
    np.testing.assert_allclose(batch.targets.boxes[0, :3], batch.letterboxes[0].forward(index.boxes[3:6]))
    assert batch.targets.labels[0, :3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("centred", [False, True])
def test_without_augmentation_training_sees_what_evaluation_sees(tmp_path, centred):
    index = make_index(tmp_path, 5)
    training = DetectionDataset(index, SIZE, NO_AUGMENTATION, pad_centred=centred)
    evaluation = EvaluationDataset(index, SIZE, pad_centred=centred)
    batch = training.__getitems__([(2, image) for image in range(5)])
    assert same(batch, evaluation.__getitems__(list(range(5))))


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
    kept, labels = training_objects(index, 0)
    assert kept.tolist() == [[10, 10, 30, 30]] and labels.tolist() == [1]
    assert DetectionDataset(index, (100, 100), NO_AUGMENTATION)[(0, 0)].targets.valid.sum() == 1
    assert EvaluationDataset(index, (100, 100))[0].targets.valid.sum() == 1


def test_targets_are_padded_to_multiples_of_eight():
    def objects(number):
        return np.full((number, 4), number, np.float32), np.full(number, number % 5)

    for longest, length in [(0, 8), (1, 8), (8, 8), (9, 16), (25, 32)]:
        boxes, labels, valid = pad_targets([objects(longest), objects(0)])
        assert boxes.shape == (2, length, 4) and boxes.dtype == torch.float32
        assert labels.shape == (2, length) and labels.dtype == torch.int64
        assert valid.sum(1).tolist() == [longest, 0]
        assert (boxes[valid] == longest).all() and not boxes[~valid].any() and not labels[~valid].any()


def test_the_same_key_and_seed_give_the_same_batch_and_others_do_not(tmp_path):
    index = make_index(tmp_path, 6)
    keys = [(1, image) for image in range(6)]
    dataset = DetectionDataset(index, SIZE, Augmentation(mixup=0.5), seed=3)
    batch = dataset.__getitems__(keys)
    assert same(batch, dataset.__getitems__(keys))
    assert same(batch, pickle.loads(pickle.dumps(dataset)).__getitems__(keys))  # as workers get it
    other_seed = DetectionDataset(index, SIZE, Augmentation(mixup=0.5), seed=4)
    other_epoch = [(2, image) for image in range(6)]
    for other in (other_seed.__getitems__(keys), dataset.__getitems__(other_epoch)):
        for first, second in zip(batch.images, other.images, strict=True):
            assert not torch.equal(first, second)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_pictures(tmp_path, number):
    dataset = DetectionDataset(make_index(tmp_path, number), SIZE, Augmentation(mixup=1))
    batch = dataset.__getitems__([(0, image) for image in range(number)])
    assert len(batch.images) == number


def test_boxes_lie_on_the_input_and_are_no_slivers(tmp_path):
    dataset = DetectionDataset(make_index(tmp_path, 8), SIZE, Augmentation(mixup=0.5, min_size=3))
    for epoch in range(10):
        boxes, _, valid = dataset.__getitems__([(epoch, image) for image in range(8)]).targets
        assert valid.any()
        x1, y1, x2, y2 = boxes[valid].unbind(1)
        assert (x1 >= 0).all() and (y1 >= 0).all() and (x2 <= SIZE[1]).all() and (y2 <= SIZE[0]).all()
        assert (x2 - x1 >= 3).all() and (y2 - y1 >= 3).all()


def test_each_picture_is_read_once_a_batch(tmp_path, monkeypatch):
    read = []

    def counting(path):
        read.append(path)
        return np.zeros((50, 50, 3), np.uint8)

    monkeypatch.setattr("utils.dataset.read_image", counting)
    dataset = DetectionDataset(make_index(tmp_path, 6), SIZE, Augmentation(mosaic=1, mixup=1))
    dataset.__getitems__([(0, image) for image in range(6)])
    assert len(read) == len(set(read)) == 6


def test_mixup_holds_the_boxes_of_both(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((96, 128, 3), 200, np.uint8))
    record = ImageRecord(
        str(tmp_path / "a.png"), np.array([[0, 0, 128, 96]], np.float32), np.zeros(1, np.int32)
    )
    plain = Augmentation(scale=(1, 1), translate=0, flip=0, hue=0, saturation=0, value=0)
    dataset = DetectionDataset(
        build_index([record], ["a"]), SIZE, Augmentation(**{**vars(plain), "mixup": 1.0})
    )
    boxes, _, valid = dataset[(0, 0)].targets
    assert [0, 0, 128, 96] in boxes[valid].tolist()  # the whole picture, beside the mosaic's parts
    assert valid.sum() >= 2


def test_a_broken_picture_is_replaced_by_the_next_and_named(tmp_path):
    index = make_index(tmp_path, 5, broken=(2, 3))
    dataset = DetectionDataset(index, SIZE, NO_AUGMENTATION)
    batch = dataset.__getitems__([(0, 1), (0, 2)])
    assert batch.indices.tolist() == [1, 4]
    assert batch.skipped == [str(tmp_path / "2.png"), str(tmp_path / "3.png")]
    assert torch.equal(batch.images[1], dataset[(0, 4)].images[0])
    assert batch.targets.valid.sum(1).tolist() == [1, 4]
    assert len(DetectionDataset(index, SIZE, Augmentation())[(0, 2)].images) == 1


def test_a_missing_picture_does_not_stop_training(tmp_path):
    index = make_index(tmp_path, 3)
    (tmp_path / "2.png").unlink()
    batch = DetectionDataset(index, SIZE, NO_AUGMENTATION)[(0, 2)]
    assert batch.indices.tolist() == [0] and batch.skipped == [str(tmp_path / "2.png")]


def test_nothing_but_broken_pictures_is_an_error(tmp_path):
    dataset = DetectionDataset(make_index(tmp_path, 3, broken=(0, 1, 2)), SIZE, Augmentation())
    with pytest.raises(ImageError, match=r"3 pictures in a row could not be read, the last: .*\.png"):
        dataset[(0, 1)]


def test_a_broken_picture_is_blank_in_evaluation(tmp_path):
    index = make_index(tmp_path, 3, broken=(1,))
    batch = EvaluationDataset(index, SIZE, pad_value=9).__getitems__([0, 1, 2])
    assert batch.indices.tolist() == [0, 1, 2]
    assert batch.skipped == [str(tmp_path / "1.png")]
    assert (batch.images[1] == 9).all()
    assert batch.letterboxes[1] == plan_letterbox((70, 140), SIZE)
    assert batch.targets.valid.sum(1).tolist() == [0, 1, 2]
