"""Repeat-factor sampling: factors by hand, systematic sampling, and what an epoch then has."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.loader.test_train_dataset import SIZE, keys_of, make_index, same
from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.data.index import ImageRecord, build_index
from utils.loader.balance import (
    balance_line,
    class_factors,
    occurrences,
    repeat_factors,
    systematic_sample,
)
from utils.loader.loader import training_loader
from utils.loader.samplers import EpochBatches, batches_of
from utils.loader.train_dataset import SampleKey, TrainDataset


def index_of(*labels, names=("dog", "cat", "fox"), **flags):
    """Image k has objects of the classes `labels[k]`."""
    records = []
    for number, image in enumerate(labels):
        boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (len(image), 1))
        more = {name: np.array(values[number], bool) for name, values in flags.items()}
        records.append(ImageRecord(f"{number}.jpg", boxes, np.array(image, np.int32), **more))
    return build_index(records, names)


# Of 16 images 12 have a dog, 4 of them two, 1 of them a cat too; 3 have nothing. At a threshold of 1/4 a cat,
# in 1/16 of the images, has the factor sqrt(1/4 / 1/16) = 2; dogs, in 12/16, have 1. No image has a fox.
PETS = index_of([0, 1], [0, 0], [0, 0], [0, 0], [0, 0], *[[0]] * 7, *[[]] * 4)


def test_factors_by_hand():
    assert class_factors(PETS, 0.25).tolist() == [1, 2, 1]
    assert class_factors(PETS, 1.0) == pytest.approx([(16 / 12) ** 0.5, 4, 1])
    factors = repeat_factors(PETS, 0.25)
    assert factors is not None and factors.tolist() == [2] + [1] * 15
    factors = repeat_factors(PETS, 1.0)
    assert factors is not None and factors == pytest.approx([4] + [(16 / 12) ** 0.5] * 11 + [1] * 4)


def test_none_is_repeated_where_nothing_is_rare():
    assert repeat_factors(PETS, 0.0) is None
    assert repeat_factors(PETS, 1 / 16) is None  # the cat is in as many
    assert repeat_factors(index_of([], []), 1.0) is None
    assert balance_line(PETS, 0.05) == (
        "balance: no class is in less than 0.05 of the images, so none is repeated"
    )


def test_only_targets_count():
    """Difficult objects and crowds are no targets: an image with nothing else is not repeated for them."""
    labels = [0], [0], [1], [1, 0]
    flags = {"difficult": ([0], [0], [1], [0, 0]), "crowd": ([0], [0], [0], [1, 0])}
    assert class_factors(index_of(*labels), 1.0) == pytest.approx([(4 / 3) ** 0.5, 2**0.5, 1])
    assert class_factors(index_of(*labels, **flags), 1.0) == pytest.approx([(4 / 3) ** 0.5, 1, 1])


def test_the_line_for_the_log():
    """At 1/4 the cat's image is in 2/17 of an epoch of 16 images."""
    line = balance_line(PETS, 0.25)
    assert line == "balance: images in an epoch with cat 1 -> 2 (factor 2); of 16 in all, as before"
    names = [f"c{number}" for number in range(12)]
    many = index_of(*[[number] for number in range(12)], *[[]] * 50, names=names)
    assert "c9 1 -> 3 (factor 7.9) and 2 more classes; of 62" in balance_line(many, 1.0)


@given(st.lists(st.floats(1, 50), min_size=1, max_size=40), st.integers(0, 2**32))
def test_each_item_is_drawn_as_often_as_expected_rounded_down_or_up(weights, seed):
    items = np.arange(len(weights))[::-1]
    drawn = systematic_sample(items, np.array(weights), np.random.default_rng(seed))
    assert len(drawn) == len(weights)
    counts = Counter(drawn.tolist())
    for item, weight in zip(items.tolist(), weights, strict=True):
        expected = len(weights) * weight / sum(weights)
        assert np.floor(expected - 1e-9) <= counts[item] <= np.ceil(expected + 1e-9)


def test_items_are_drawn_in_proportion_to_their_weights():
    """Expected are 4 * 5/8 = 2.5, and .5 for each of the others: over 2000 samples 5000, 1000, 1000, 1000."""
    rng, total = np.random.default_rng(0), Counter()
    for _ in range(2000):
        total.update(systematic_sample(np.arange(4), np.array([5.0, 1, 1, 1]), rng).tolist())
    assert total[0] == pytest.approx(5000, abs=100) and sum(total.values()) == 8000
    assert [total[k] for k in (1, 2, 3)] == pytest.approx([1000] * 3, abs=100)  # 4.5 deviations of 22


def test_occurrences_by_hand():
    assert occurrences(np.array([7, 3, 7, 7, 3, 0])).tolist() == [0, 0, 1, 2, 1, 0]
    assert occurrences(np.array([0, 0])).tolist() == [0, 1]
    assert occurrences(np.zeros(0, np.int64)).tolist() == []


def test_an_epoch_keeps_its_length_and_repeats_the_rare():
    """The cat's image is expected 16 * 2/17 = 1.88 times, the others .94 times, so once or never."""
    dataset = TrainDataset(PETS, [SIZE], Augmentation(), seed=3, balance=0.25)
    batches, cats = batches_of(dataset, 4), []
    assert len(batches) == 4
    for epoch in range(200):
        batches.set_epoch(epoch)
        keys = [key for batch in batches for key in batch]
        counts = Counter(key.image_number for key in keys)
        assert len(keys) == 16 and max(counts[number] for number in range(1, 16)) == 1
        assert len({(key.image_number, key.repeat) for key in keys}) == 16
        assert [key.repeat for key in keys if key.image_number == 0] == list(range(counts[0]))
        cats.append(counts[0])
    assert set(cats) == {1, 2} and np.mean(cats) == pytest.approx(1.88, abs=0.08)
    assert list(batches_of(dataset, 4)) == list(batches_of(dataset, 4))
    batches.set_epoch(5)
    whole = list(batches)
    batches.set_epoch(5, first_batch=3)
    assert list(batches) == whole[3:]


def test_processes_share_a_balanced_epoch():
    dataset = TrainDataset(PETS, [SIZE], Augmentation(), seed=3, balance=1.0)
    whole = list(batches_of(dataset, 8))
    shares = [list(batches_of(dataset, 4, rank, world_size=2)) for rank in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == whole


def test_without_balance_the_order_is_as_it_always_was():
    batches = EpochBatches(30, 5, 4, [SIZE])
    batches.set_epoch(2)
    keys = [key for batch in batches for key in batch]
    assert [key.image_number for key in keys] == np.random.default_rng([4, 2]).permutation(30).tolist()
    assert {key.repeat for key in keys} == {0}


def test_a_repeated_image_is_augmented_differently_and_the_first_as_ever(tmp_path):
    dataset = TrainDataset(make_index(tmp_path, 6), [SIZE], Augmentation(mosaic=0, blur=1, noise=1), seed=3)
    first, again = (dataset[SampleKey(1, 4, SIZE, (), repeat)] for repeat in (0, 1))
    assert same(first, dataset[keys_of([4], epoch=1)[0]]) and not torch.equal(first.images, again.images)
    assert first.image_numbers.tolist() == again.image_numbers.tolist() == [4]
    key = SampleKey(1, 4, SIZE)
    entropy = {0: [3, 1, 5], 2: [3, 1, 5, 2], 3: [3, 1, 5, 3], 4: [3, 1, 5, 4]}  # by purpose
    for purpose, numbers in entropy.items():
        assert dataset._generator(key, purpose).random() == np.random.default_rng(numbers).random()
    keys = [key._replace(repeat=repeat) for repeat in range(4)]
    repeated = {dataset._generator(key, purpose).random() for key in keys for purpose in entropy}
    assert len(repeated) == 16, "no two generators are alike"


def test_small_pools_are_widened_by_the_factors():
    """Of 400 images, 4 have the rare class: their factors are 10, so they are 40/436 of the others drawn."""
    index = index_of(*[[1]] * 4, *[[0]] * 396)
    plain = TrainDataset(index, [SIZE], NO_AUGMENTATION)
    balanced = replace(plain, balance=1.0)
    share = {
        name: np.mean([number < 4 for epoch in range(500) for number in dataset._widened((9, 9), epoch)[2:]])
        for name, dataset in (("plain", plain), ("balanced", balanced))
    }
    assert share["plain"] == pytest.approx(0.01, abs=0.004)
    assert share["balanced"] == pytest.approx(0.09, abs=0.02)
    assert balanced._widened((9, 9), 0)[:2] == [9, 9], "images that the batch has twice stay"


def test_neither_workers_nor_resuming_change_anything(tmp_path):
    """Image 0 has no object, 1 has one of class a, and so on: classes b and c are rarer than a."""
    runs = []
    for workers in (0, 2):
        dataset = TrainDataset(make_index(tmp_path, 8), [SIZE], Augmentation(), seed=7, balance=1.0)
        loader, batches = training_loader(dataset, 2, workers)
        batches.set_epoch(1, first_batch=1)
        rest = list(loader)
        batches.set_epoch(1)
        runs.append(list(loader))
        assert len(rest) == 3 and all(same(*pair) for pair in zip(rest, runs[-1][1:], strict=True))
    assert len(runs[0]) == 4
    assert all(same(*pair) for pair in zip(*runs, strict=True))
