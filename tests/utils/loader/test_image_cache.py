"""Decoded images kept: the same pixels, in memory and in a file, where they fit."""

import multiprocessing

import cv2
import numpy as np
import pytest

from tests.utils.loader.test_train_dataset import SIZE, keys_of, make_index, same
from utils.augment.settings import Augmentation
from utils.data.index import ImageRecord, build_index
from utils.loader import image_cache
from utils.loader.image_cache import ImageCache, open_cache
from utils.loader.train_dataset import TrainDataset


def image_of(value, height=4, width=5):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize("in_file", [False, True])
def test_what_is_put_in_comes_out(tmp_path, in_file):
    cache = ImageCache([60, 0, 60], tmp_path / "images" if in_file else None)
    assert cache.get(0) is cache.get(2) is None
    cache.put(2, 4, image_of(9))
    cache.put(0, 1, image_of(7, 2, 2))  # smaller than its slot
    cache.put(1, 1, image_of(5))  # larger: left out
    reduction, image = cache.get(2)
    assert reduction == 4 and (image == image_of(9)).all() and image.shape == (4, 5, 3)
    assert cache.get(0)[1].shape == (2, 2, 3) and cache.get(1) is None


def fill(cache):
    cache.put(0, 1, image_of(3))


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("in_file", [False, True])
def test_what_a_worker_puts_in_all_find(tmp_path, start, in_file):
    cache = ImageCache([60], tmp_path / "images" if in_file else None)
    worker = multiprocessing.get_context(start).Process(target=fill, args=(cache,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert (cache.get(0)[1] == 3).all()


def test_batches_are_the_same_with_it(tmp_path):
    """JPEG too, large enough to be decoded at half its size; broken images stay broken."""
    index = make_index(tmp_path, 6, broken=(2,))
    large = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "0.jpg"), large)
    records = [ImageRecord(str(index.path(image))) for image in range(6)]
    index = build_index([ImageRecord(str(tmp_path / "0.jpg")), *records], ["a"])
    plain = TrainDataset(index, [SIZE], Augmentation())
    cache = open_cache("ram", index, plain.reduction, tmp_path / "images")
    cached = TrainDataset(index, [SIZE], Augmentation(), cache=cache)
    for epoch in range(3):
        keys = keys_of(range(7), epoch)
        first, second = plain.batch(keys), cached.batch(keys)
        assert same(first, second) and first.skipped == second.skipped == [str(tmp_path / "2.png")]
    assert [cache.get(image) is not None for image in range(7)] == [True, True, True, False, True, True, True]
    assert cache.get(0)[0] == 2 and cache.get(0)[1].shape == (200, 250, 3)


def test_what_is_chosen_and_said(tmp_path, monkeypatch, capsys):
    index = make_index(tmp_path, 3)  # 60 x 150, 70 x 140 and 80 x 130: 29,200 pixels, 87,600 bytes
    path = tmp_path / "images"
    assert open_cache("off", index, lambda size: 1, path) is None
    for free, kept in ((2 * 87_600, True), (2 * 87_600 - 1, False)):
        monkeypatch.setattr(image_cache, "available_shared_memory", lambda free=free: free)
        assert (open_cache("auto", index, lambda size: 1, path) is not None) == kept
    assert not path.exists()
    assert "cache: memory (3 decoded images take 0.0 GiB" in (said := capsys.readouterr().out)
    assert "cache: none" in said and "--cache disk" in said
    assert open_cache("disk", index, lambda size: 1, path).get(0) is None
    assert path.stat().st_size == 87_600


def test_memory_that_is_not_there_is_refused(tmp_path, monkeypatch):
    index = make_index(tmp_path, 3)
    monkeypatch.setattr(image_cache, "available_shared_memory", lambda: 87_599)
    with pytest.raises(ValueError, match=r"--cache ram: 3 decoded images take .*; use --cache disk or off"):
        open_cache("ram", index, lambda size: 1, tmp_path / "images")


def test_a_disk_that_has_no_room_for_the_images(small_disk):
    with pytest.raises(OSError, match=r"No space left on device: the cache takes .*; use --cache ram or off"):
        ImageCache([2**30], small_disk / "images")


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path):
    (tmp_path / "other").write_text("precious")
    (tmp_path / "images").symlink_to(tmp_path / "other")
    ImageCache([12], tmp_path / "images").put(0, 1, np.ones((2, 2, 3), np.uint8))
    assert (tmp_path / "other").read_text() == "precious"
    assert (tmp_path / "images").read_bytes() == bytes([1] * 12)
