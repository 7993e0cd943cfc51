"""Which pictures make up which batch, and that workers change nothing."""

import pickle

import pytest
import torch

from tests.utils.test_dataset import SIZE, make_index, same
from utils.augment import Augmentation
from utils.dataset import DetectionDataset, EvaluationDataset
from utils.loader import (
    EpochBatches,
    OrderedBatches,
    automatic_workers,
    evaluation_loader,
    training_loader,
)


def test_every_picture_once_an_epoch():
    batches = EpochBatches(12, 4, seed=0)
    orders = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        keys = [key for batch in batches for key in batch]
        assert {given for given, _ in keys} == {epoch}
        orders.append([image for _, image in keys])
        assert sorted(orders[-1]) == list(range(12))
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_order_depends_on_seed_and_epoch_only():
    first, second, other = (
        EpochBatches(30, 4, seed=5),
        EpochBatches(30, 4, seed=5),
        EpochBatches(30, 4, seed=6),
    )
    assert list(first) == list(second) != list(other)
    assert len(first) == len(list(first)) == 7


def test_a_last_batch_that_is_not_full_is_left_out_unless_it_is_the_only_one():
    assert [len(batch) for batch in EpochBatches(10, 4, 0)] == [4, 4]
    assert [len(batch) for batch in EpochBatches(3, 4, 0)] == [3]
    assert [len(batch) for batch in EpochBatches(1, 16, 0)] == [1]


def test_an_epoch_can_start_in_its_middle():
    batches = EpochBatches(20, 4, seed=1)
    batches.set_epoch(2)
    whole = list(batches)
    batches.set_epoch(2, first_batch=3)
    assert list(batches) == whole[3:]


@pytest.mark.parametrize("length", [1, 2, 3, 5, 16, 33])
def test_processes_share_an_epoch(length):
    shares = [list(EpochBatches(length, 4, 0, rank, world_size=2)) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) >= 1  # or one would wait for the other for ever
    assert all(batch for share in shares for batch in share)
    keys = [key for share in shares for batch in share for key in batch]
    if length >= 2:
        assert len(keys) == len(set(keys))
    if length >= 8:
        assert len(keys) == length // 8 * 8


def test_evaluation_in_order_with_its_last_batch():
    assert list(OrderedBatches(5, 2)) == [[0, 1], [2, 3], [4]]
    assert len(OrderedBatches(5, 2)) == 3
    shares = [[image for batch in OrderedBatches(5, 2, rank, 2) for image in batch] for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == [0, 1, 2, 3, 4]


def test_workers_change_nothing(tmp_path):
    index = make_index(tmp_path, 8)
    runs = []
    for workers in (0, 1, 2):
        dataset = DetectionDataset(index, SIZE, Augmentation(mixup=0.5), seed=7)
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


def test_evaluation_loader(tmp_path):
    index = make_index(tmp_path, 5)
    for workers in (0, 1):
        batches = list(evaluation_loader(EvaluationDataset(index, SIZE), 2, workers))
        assert [batch.indices.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
        assert [len(batch.letterboxes) for batch in batches] == [2, 2, 1]


def test_everything_reaches_spawned_workers(tmp_path):
    dataset = DetectionDataset(make_index(tmp_path, 2), SIZE, Augmentation())
    loader, _ = training_loader(dataset, 2, workers=1)
    parts = (loader.dataset, loader.collate_fn, loader.worker_init_fn)
    again, collate, _ = pickle.loads(pickle.dumps(parts))
    assert same(collate(again.__getitems__([(0, 0)])), dataset[(0, 0)])


def test_no_picture_at_all_is_refused(tmp_path):
    index = make_index(tmp_path, 0)
    with pytest.raises(ValueError, match="no pictures"):
        training_loader(DetectionDataset(index, SIZE, Augmentation()), 2)
    with pytest.raises(ValueError, match="no pictures"):
        evaluation_loader(EvaluationDataset(index, SIZE), 2)


def test_automatic_workers():
    assert [automatic_workers(cores, cuda=True) for cores in (1, 2, 8, 64)] == [1, 1, 7, 12]
    assert [automatic_workers(cores, cuda=False) for cores in (1, 2, 8)] == [0, 0, 2]
