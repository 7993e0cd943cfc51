"""Which images make up which batch, and that workers change nothing."""

import pickle
from dataclasses import replace

import pytest
import torch

from tests.utils.loader.test_train_dataset import SIZE, keys_of, make_index, same
from utils.augment.settings import Augmentation
from utils.augment.user_augmentation import UserAugmentation
from utils.data.index import ImageRecord, build_index
from utils.loader.eval_dataset import EvalDataset, by_shape
from utils.loader.image_cache import ImageCache
from utils.loader.loader import automatic_workers, evaluation_loader, training_loader
from utils.loader.samplers import EpochBatches, OrderedBatches, training_sizes
from utils.loader.train_dataset import TrainDataset


def test_every_image_once_an_epoch():
    batches = EpochBatches(12, 4, 0, [SIZE])
    orders = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        keys = [key for batch in batches for key in batch]
        assert {(key.epoch, key.size) for key in keys} == {(epoch, SIZE)}
        orders.append([key.image_number for key in keys])
        assert sorted(orders[-1]) == list(range(12))
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_order_depends_on_seed_and_epoch_only():
    first, second, other = (
        EpochBatches(30, 4, 5, [SIZE]),
        EpochBatches(30, 4, 5, [SIZE]),
        EpochBatches(30, 4, 6, [SIZE]),
    )
    assert list(first) == list(second) != list(other)
    assert len(first) == len(list(first)) == 7


def test_a_last_batch_that_is_not_full_is_left_out_unless_it_is_the_only_one():
    assert [len(batch) for batch in EpochBatches(10, 4, 0, [SIZE])] == [4, 4]
    assert [len(batch) for batch in EpochBatches(3, 4, 0, [SIZE])] == [3]
    assert [len(batch) for batch in EpochBatches(1, 16, 0, [SIZE])] == [1]


def test_an_epoch_can_start_in_its_middle():
    batches = EpochBatches(20, 4, 1, [SIZE])
    batches.set_epoch(2)
    whole = list(batches)
    batches.set_epoch(2, first_batch=3)
    assert list(batches) == whole[3:]


@pytest.mark.parametrize("length", [1, 2, 3, 5, 16, 33])
def test_processes_share_an_epoch(length):
    shares = [list(EpochBatches(length, 4, 0, [SIZE], rank, world_size=2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) >= 1  # or one would wait for the other for ever
    assert all(batch for share in shares for batch in share)
    keys = [key for share in shares for batch in share for key in batch]
    if length >= 2:
        assert len(keys) == len(set(keys))
    if length >= 8:
        assert len(keys) == length // 8 * 8


def test_evaluation_in_order_with_its_last_batch():
    assert list(OrderedBatches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert len(OrderedBatches(range(5), 2)) == 3
    shares = [
        [image for batch in OrderedBatches(range(5), 2, rank, 2) for image in batch] for rank in range(2)
    ]
    assert sorted(shares[0] + shares[1]) == [0, 1, 2, 3, 4]


def test_workers_change_nothing(tmp_path):
    index = make_index(tmp_path, 8)
    runs = []
    for workers in (0, 1, 2):
        dataset = TrainDataset(index, [SIZE, (64, 96)], Augmentation(mixup=0.5), seed=7)
        loader, batches = training_loader(dataset, 2, workers)
        epochs = []
        for epoch in range(2):
            batches.set_epoch(epoch)
            epochs.append(list(loader))
        runs.append(epochs)
    for run in runs[1:]:
        for epoch in range(2):
            assert len(run[epoch]) == 4
            for first, second in zip(runs[0][epoch], run[epoch], strict=True):
                assert same(first, second)
                assert second.images.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(runs[0][0][0].images, runs[0][1][0].images)


MINE = """import numpy as np

def augment(image, boxes, labels, rng):
    image[:] = np.roll(image, rng.integers(1, 50), axis=0)
    return image, boxes + rng.random(), labels
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_the_users_augmentation_runs_in_workers(tmp_path, start):
    user, index, runs = UserAugmentation("mine.py", MINE), make_index(tmp_path, 6), []
    dataset = TrainDataset(index, [SIZE], Augmentation(), seed=7, color_flip_on_device=True)
    for workers in (0, 2):
        loader, batches = training_loader(replace(dataset, user_augmentation=user), 2, workers)
        if workers:
            loader._loader.multiprocessing_context = start
        batches.set_epoch(1)
        runs.append(list(loader))
    assert len(runs[0]) == 3 and all(same(*pair) for pair in zip(*runs, strict=True))
    assert all(batch.color_flip is None for batch in runs[0]), "colours and flips come before it"
    without = replace(dataset, color_flip_on_device=False)
    assert not any(same(batch, without.batch(keys)) for batch, keys in zip(runs[0], batches, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_users_augmentation_is_told_without_a_traceback(tmp_path, workers):
    user = UserAugmentation("mine.py", "def augment(image, boxes, labels, rng):\n    raise ValueError(9)\n")
    dataset = TrainDataset(make_index(tmp_path, 4), [SIZE], Augmentation(), user_augmentation=user)
    expected = r"--augment-file mine\.py, line 2, in augment: ValueError \(9\), with .*\d\.png"
    with pytest.raises(ValueError, match=rf"^{expected}$"):
        list(training_loader(dataset, 2, workers)[0])


def test_evaluation_loader(tmp_path):
    index = make_index(tmp_path, 5)
    for workers in (0, 1):
        batches = list(evaluation_loader(EvalDataset(index, SIZE), 2, workers))
        assert [batch.image_numbers.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
        assert [len(batch.letterboxes) for batch in batches] == [2, 2, 1]


def test_rectangular_batches_hold_images_of_like_shape(tmp_path):
    """Images 0 to 4 are 150, 140, ... 110 wide and 60, 70, ... 100 high."""
    dataset = EvalDataset(make_index(tmp_path, 5), (96, 128), stride=32)
    batches = list(evaluation_loader(dataset, 2))
    assert [batch.image_numbers.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    # 150 x 60 becomes 128 x 51, 140 x 70 becomes 128 x 64; 130 x 80 becomes 128 x 79, 110 x 100 106 x 96.
    assert [tuple(batch.images.shape[2:]) for batch in batches] == [(64, 128), (96, 128), (96, 128)]
    whole = EvalDataset(dataset.index, (96, 128)).batch([0, 1])
    assert torch.equal(batches[0].images, whole.images[:, :, :64])
    assert all(torch.equal(*pair) for pair in zip(batches[0].targets, whole.targets, strict=True))
    assert by_shape(build_index([ImageRecord(str(dataset.index.path(k))) for k in (3, 0, 4)], ["a"])) == [
        1,
        0,
        2,
    ]


def test_everything_reaches_spawned_workers(tmp_path):
    dataset = TrainDataset(make_index(tmp_path, 2), [SIZE], Augmentation())
    loader, _ = training_loader(dataset, 2, workers=1)
    made = loader._loader
    parts = (made.dataset, made.collate_fn, made.worker_init_fn)
    again, collate, _ = pickle.loads(pickle.dumps(parts))
    assert same(collate(again.batch(keys_of([0]))), dataset[keys_of([0])[0]])


def test_no_image_at_all_is_refused(tmp_path):
    index = make_index(tmp_path, 0)
    with pytest.raises(ValueError, match="no images"):
        training_loader(TrainDataset(index, [SIZE], Augmentation()), 2)
    with pytest.raises(ValueError, match="no images"):
        evaluation_loader(EvalDataset(index, SIZE), 2)


def test_more_workers_than_batches_are_not_started(tmp_path, recwarn):
    index = make_index(tmp_path, 5)
    training, _ = training_loader(TrainDataset(index, [SIZE], Augmentation()), 2, workers=64)
    evaluation = evaluation_loader(EvalDataset(index, SIZE), 2, workers=64)
    assert training.workers == len(training) and evaluation.workers == 3
    assert len(list(evaluation)) == 3 and [str(warning.message) for warning in recwarn] == []


def test_automatic_workers():
    assert [automatic_workers(cores, cuda=True) for cores in (1, 2, 8, 64)] == [1, 1, 7, 12]
    assert [automatic_workers(cores, cuda=False) for cores in (1, 2, 8)] == [0, 0, 2]


def test_sizes_by_hand():
    assert training_sizes((416, 416), 32, 0) == [(416, 416)]
    # A fifth of 320 is 64, two strides of 32; the longer side follows in proportion, to whole strides.
    assert training_sizes((320, 640), 32, 0.2) == [(256, 512), (288, 576), (320, 640), (352, 704), (384, 768)]
    assert training_sizes((300, 300), 1, 0.2, smallest=280)[0] == (280, 280)


def test_a_batch_has_one_of_the_sizes_alike_in_all_processes():
    sizes = [(64, 64), (96, 96), (128, 128)]
    shares = [list(EpochBatches(400, 4, 3, sizes, rank, world_size=2)) for rank in range(2)]
    drawn = []
    for batches in zip(*shares, strict=True):
        (size,) = {key.size for batch in batches for key in batch}
        drawn.append(size)
    assert len(drawn) == 50 and all(
        7 <= drawn.count(size) <= 27 for size in sizes
    )  # 17 each, +- 3 deviations
    batches = EpochBatches(400, 4, 3, sizes)
    batches.set_epoch(0, first_batch=60)
    rest = [batch[0].size for batch in batches]
    batches.set_epoch(0)
    assert rest == [batch[0].size for batch in batches][60:]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_resuming_at_any_step_gives_the_batches_of_the_run_that_was_not_stopped(tmp_path):
    """With any number of workers, and while a cache fills."""
    index = make_index(tmp_path, 10)
    settings = Augmentation(mixup=0.3, copy_paste=0.3, cut_out=0.3)
    dataset = TrainDataset(index, [SIZE, (64, 96)], settings, seed=7)
    loader, batches = training_loader(dataset, 2)
    batches.set_epoch(3)
    whole = list(loader)
    for workers in (0, 1, 2, 4):
        cache = ImageCache([150 * 120 * 3] * 10)
        loader, batches = training_loader(replace(dataset, cache=cache), 2, workers)
        for step in range(len(whole)):
            batches.set_epoch(3, first_batch=step)
            rest = list(loader)
            assert len(rest) == len(whole) - step
            assert all(same(*pair) for pair in zip(rest, whole[step:], strict=True))
        assert all(cache.get(image) is not None for image in range(10))


def test_an_epoch_of_a_part_of_the_images():
    """Two batches of two images of ten, in each epoch others; the batches are the first of a whole epoch."""
    whole = EpochBatches(10, 2, seed=3, sizes=[(32, 32)])
    part = EpochBatches(10, 2, seed=3, sizes=[(32, 32)], images=5)
    used = set()
    for epoch in range(8):
        whole.set_epoch(epoch)
        part.set_epoch(epoch)
        batches = list(part)
        assert len(part) == len(batches) == 2 and batches == list(whole)[:2]
        used |= {key.image_number for keys in batches for key in keys}
    assert len(used) == 10
