"""Batches made at once: what is in them, and what happens to images that cannot be read."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.data.index import DatasetIndex, ImageRecord, build_index
from utils.images.image_io import ImageError, read_bytes
from utils.loader.batch import batch_to_device
from utils.loader.eval_dataset import EvalDataset
from utils.loader.samplers import EpochBatches
from utils.loader.train_dataset import SampleKey, TrainDataset

SIZE = (96, 128)


def make_index(folder: Path, number: int, broken: tuple[int, ...] = ()) -> DatasetIndex:
    """Images of different sizes, each with as many boxes as its number; the `broken` files are cut off."""
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


def keys_of(images, epoch=0, size=SIZE) -> list[SampleKey]:
    return [SampleKey(epoch, image, size) for image in images]


def same(first, second) -> bool:
    return (
        torch.equal(first.images, second.images)
        and all(torch.equal(*pair) for pair in zip(first.targets, second.targets, strict=True))
        and torch.equal(first.image_numbers, second.image_numbers)
    )


@pytest.mark.parametrize("centred", [False, True])
def test_without_augmentation_training_sees_what_evaluation_sees(tmp_path, centred):
    index = make_index(tmp_path, 5)
    training = TrainDataset(index, [SIZE], NO_AUGMENTATION, pad_centred=centred)
    evaluation = EvalDataset(index, SIZE, pad_centred=centred)
    batch = training.batch(keys_of(range(5), epoch=2))
    assert same(batch, evaluation.batch(list(range(5))))


def test_the_same_key_and_seed_give_the_same_batch_and_others_do_not(tmp_path):
    index = make_index(tmp_path, 6)
    keys = keys_of(range(6), epoch=1)
    dataset = TrainDataset(index, [SIZE], Augmentation(mixup=0.5), seed=3)
    batch = dataset.batch(keys)
    assert same(batch, dataset.batch(keys))
    assert same(batch, pickle.loads(pickle.dumps(dataset)).batch(keys))  # as workers get it
    other_seed = TrainDataset(index, [SIZE], Augmentation(mixup=0.5), seed=4)
    other_epoch = keys_of(range(6), epoch=2)
    for other in (other_seed.batch(keys), dataset.batch(other_epoch)):
        for first, second in zip(batch.images, other.images, strict=True):
            assert not torch.equal(first, second)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_images(tmp_path, number):
    dataset = TrainDataset(make_index(tmp_path, number), [SIZE], Augmentation(mixup=1))
    batch = dataset.batch(keys_of(range(number)))
    assert len(batch.images) == number


def test_boxes_lie_on_the_input_and_are_no_slivers(tmp_path):
    dataset = TrainDataset(make_index(tmp_path, 8), [SIZE], Augmentation(mixup=0.5, min_size=3))
    for epoch in range(10):
        boxes, _, valid = dataset.batch(keys_of(range(8), epoch)).targets
        assert valid.any()
        x1, y1, x2, y2 = boxes[valid].unbind(1)
        assert (x1 >= 0).all() and (y1 >= 0).all() and (x2 <= SIZE[1]).all() and (y2 <= SIZE[0]).all()
        assert (x2 - x1 >= 3).all() and (y2 - y1 >= 3).all()


def test_each_image_is_read_once_a_batch(tmp_path, monkeypatch):
    read = []

    def counting(path):
        read.append(path)
        return read_bytes(path)

    monkeypatch.setattr("utils.images.image_io.read_bytes", counting)
    dataset = TrainDataset(make_index(tmp_path, 6), [SIZE], Augmentation(mosaic=1, mixup=1))
    dataset.batch(keys_of(range(6)))
    assert len(read) == len(set(read)) == 6


def test_mixup_holds_the_boxes_of_both(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((96, 128, 3), 200, np.uint8))
    record = ImageRecord(
        str(tmp_path / "a.png"), np.array([[0, 0, 128, 96]], np.float32), np.zeros(1, np.int32)
    )
    plain = Augmentation(scale=(1, 1), translate=0, flip=0, hue=0, saturation=0, brightness=0)
    dataset = TrainDataset(
        build_index([record], ["a"]), [SIZE], Augmentation(**{**vars(plain), "mixup": 1.0})
    )
    boxes, _, valid = dataset[SampleKey(0, 0, SIZE)].targets
    assert [0, 0, 128, 96] in boxes[valid].tolist()  # the whole image, beside the mosaic's parts
    assert valid.sum() >= 2


def test_a_broken_image_is_replaced_by_the_next_and_named(tmp_path):
    index = make_index(tmp_path, 5, broken=(2, 3))
    dataset = TrainDataset(index, [SIZE], NO_AUGMENTATION)
    batch = dataset.batch(keys_of([1, 2]))
    assert batch.image_numbers.tolist() == [1, 4]
    assert batch.skipped == [str(tmp_path / "2.png"), str(tmp_path / "3.png")]
    assert torch.equal(batch.images[1], dataset[SampleKey(0, 4, SIZE)].images[0])
    assert batch.targets.valid.sum(1).tolist() == [1, 4]
    assert len(TrainDataset(index, [SIZE], Augmentation())[SampleKey(0, 2, SIZE)].images) == 1


def test_a_missing_image_does_not_stop_training(tmp_path):
    index = make_index(tmp_path, 3)
    (tmp_path / "2.png").unlink()
    batch = TrainDataset(index, [SIZE], NO_AUGMENTATION)[SampleKey(0, 2, SIZE)]
    assert batch.image_numbers.tolist() == [0] and batch.skipped == [str(tmp_path / "2.png")]


def test_nothing_but_broken_images_is_an_error(tmp_path):
    dataset = TrainDataset(make_index(tmp_path, 3, broken=(0, 1, 2)), [SIZE], Augmentation())
    with pytest.raises(ImageError, match=r"3 images in a row could not be read, the last: .*\.png"):
        dataset[SampleKey(0, 1, SIZE)]


def test_a_large_jpeg_decoded_small_gives_the_same_sample(tmp_path, monkeypatch):
    """Pixels almost, for the decoder averages where the resizing does not; boxes exactly."""
    y, x = np.mgrid[0:799, 0:1023]
    image = np.stack([x / 4, y / 4, 120 + 100 * np.sin(x / 60)], axis=2).clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    box = np.array([[300, 200, 700, 555]], np.float32)
    index = build_index([ImageRecord(str(tmp_path / "a.jpg"), box, np.zeros(1, np.int32))], ["a"])
    dataset = TrainDataset(index, [SIZE], Augmentation(mosaic=0, scale=(0.7, 1.1)), seed=1)
    small = dataset.batch(keys_of([0] * 4))
    monkeypatch.setattr("utils.images.image_io.JPEG_REDUCTIONS", ())
    whole = dataset.batch(keys_of([0] * 4))
    difference = (small.images.int() - whole.images.int()).abs().float()
    assert 0 < difference.mean() < 2
    torch.testing.assert_close(small.targets.boxes, whole.targets.boxes, rtol=0, atol=0.3)


def test_turned_samples_keep_their_objects_in_their_boxes(tmp_path):
    """A white ellipse on black, turned and sheared: it fills its box."""
    y, x = np.mgrid[0:100, 0:140] + 0.5
    inside = ((x - 60) / 40) ** 2 + ((y - 50) / 20) ** 2 <= 1
    cv2.imwrite(str(tmp_path / "a.png"), np.where(inside, 255, 0).astype(np.uint8))
    box = np.array([[20, 30, 100, 70]], np.float32)
    index = build_index([ImageRecord(str(tmp_path / "a.png"), box, np.zeros(1, np.int32))], ["a"])
    settings = Augmentation(
        mosaic=0, rotation=180, shear=15, scale=(0.4, 0.6), hue=0, saturation=0, brightness=0
    )
    dataset = TrainDataset(index, [SIZE], settings, pad_value=0)
    for epoch in range(30):
        batch = dataset.batch(keys_of([0], epoch))
        rows, columns = np.nonzero(batch.images[0, 0].numpy() > 127)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(batch.targets.boxes[0, 0], seen, atol=1.5)


def test_colours_and_mirroring_can_be_left_to_the_device(tmp_path):
    index = make_index(tmp_path, 6)
    settings = Augmentation(mixup=0.3, copy_paste=0.5, cut_out=0.5)
    here = TrainDataset(index, [SIZE], settings).batch(keys_of(range(6)))
    later = TrainDataset(index, [SIZE], settings, color_flip_on_device=True).batch(keys_of(range(6)))
    assert here.color_flip is None and later.color_flip is not None
    assert all(torch.equal(*pair) for pair in zip(here.targets, later.targets, strict=True))
    images, _ = batch_to_device(later, torch.device("cpu"))
    assert not torch.equal(later.images, images)
    assert (images.int() - here.images.int()).abs().max() <= 1


def test_everything_at_once(tmp_path):
    settings = Augmentation(mixup=0.5, rotation=20, shear=5, copy_paste=0.7, cut_out=0.7, multi_scale=0.5)
    dataset = TrainDataset(make_index(tmp_path, 8), [SIZE], settings)
    for epoch in range(5):
        batch = dataset.batch(keys_of(range(8), epoch))
        boxes, _, valid = batch.targets
        assert valid.any() and (boxes[valid][:, 2:] > boxes[valid][:, :2]).all()
        assert boxes.min() >= 0 and (boxes.amax(dim=(0, 1))[2:] <= torch.tensor([SIZE[1], SIZE[0]])).all()


def test_partners_are_as_many_as_by_chance():
    """In 20 epochs an image meets 3 others in each mosaic, drawn from the batches that it is in.

    Of 59 others, 60 draws meet 59 * (1 - (1 - 3 / 59) ** 20) = 38.2 on average.
    """
    index = build_index([ImageRecord(f"{number}.jpg") for number in range(60)], ["a"])
    dataset = TrainDataset(index, [SIZE], Augmentation(scale=(0.5, 0.5), translate=0))  # all four are seen
    batches = EpochBatches(60, 12, 0, [SIZE])
    partners: list[set[int]] = [set() for _ in range(60)]
    for epoch in range(20):
        batches.set_epoch(epoch)
        for keys in batches:
            for key, plan in zip(keys, dataset._plans(keys), strict=True):
                partners[key.image_number] |= {image for image, _ in plan.layers[0]} - {key.image_number}
    assert abs(np.mean([len(met) for met in partners]) - 38.2) < 1.5


def test_boxes_are_as_large_as_zoom_and_borders_make_them(tmp_path):
    """One image, one box of 40 x 40 in its middle, zoomed by .5 to 1.5 and shifted, never cut.

    The mean area is 1600 times the mean of the squared zoom, (1.5 ** 3 - 0.5 ** 3) / 3 = 13 / 12.
    """
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((*SIZE, 3), np.uint8))
    box = np.array([[44, 28, 84, 68]], np.float32)
    index = build_index([ImageRecord(str(tmp_path / "a.png"), box, np.zeros(1, np.int32))], ["a"])
    dataset = TrainDataset(index, [SIZE], Augmentation(mosaic=0, translate=0.05))
    boxes = [dataset.batch(keys_of([0], epoch)).targets.boxes[0, 0].numpy() for epoch in range(600)]
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes]
    assert len(areas) == 600 and 390 < min(areas) < 450 and 3450 < max(areas) < 3620
    assert np.mean(areas) == pytest.approx(1600 * 13 / 12, rel=0.08)  # three standard errors
    centres = np.array([(x1 + x2, y1 + y2) for x1, y1, x2, y2 in boxes]) / 2
    assert np.abs(centres.mean(axis=0) - (64, 48)).max() < 1.5
