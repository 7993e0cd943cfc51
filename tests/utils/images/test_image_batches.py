"""Batches of images: full ones, in order, small ones of large images, and what cannot be read."""

from pathlib import PurePath

import numpy as np
import pytest
from PIL import Image

from utils.images import image_batches as module
from utils.images.image_batches import image_batches
from utils.images.sources import ImageSource


@pytest.fixture
def sources(tmp_path):
    """Ten images of 10 x (1 to 10) pixels."""
    made = []
    for number in range(10):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((10, number + 1, 3), number, np.uint8)).save(path)
        made.append(ImageSource(str(path), PurePath(path.name)))
    return made


def test_full_batches_in_order(sources):
    batches = list(image_batches(sources, 4))
    assert [len(batch.images) for batch in batches] == [4, 4, 2]
    assert [source for batch in batches for source in batch.sources] == sources
    assert [image.shape[1] for batch in batches for image in batch.images] == list(range(1, 11))


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(sources, tmp_path):
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "9.png").unlink()
    batches = list(image_batches(sources, 4))
    assert [len(batch.images) for batch in batches] == [4, 4, 0]
    assert [problem for batch in batches for problem in batch.problems] == [
        f"{tmp_path}/1.png: the file is empty",
        f"{tmp_path}/9.png: no such file",
    ]


def test_large_images_come_in_smaller_batches(sources, monkeypatch):
    """Of 10, 20, ... 100 pixels, at most 100 together or one alone."""
    monkeypatch.setattr(module, "MAX_BATCH_PIXELS", 100)
    sizes = [sum(image.shape[1] for image in batch.images) for batch in image_batches(sources, 8)]
    assert sizes == [1 + 2 + 3 + 4, 5, 6, 7, 8, 9, 10]


def test_nothing():
    assert list(image_batches([], 4)) == []
