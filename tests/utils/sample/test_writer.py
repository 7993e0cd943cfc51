"""The folder of the sample data set: complete or absent, and read back as it was drawn."""

import cv2
import numpy as np
import pytest

from utils.formats.read_data import read_data
from utils.sample.dataset import SAMPLE_CLASSES, sample_image
from utils.sample.writer import write_sample_data


def test_written_folder_is_read_back(tmp_path):
    write_sample_data(tmp_path, seed=3, splits={"train": 4, "val": 2, "test": 2})
    year = tmp_path / "VOC2007"
    assert [path.name for path in tmp_path.iterdir()] == ["VOC2007"]
    assert (year / "classes.txt").read_text(encoding="utf-8").split() == list(SAMPLE_CLASSES)
    main = year / "ImageSets" / "Main"
    assert (main / "trainval.txt").read_text().split() == [f"{k:06d}" for k in range(6)]
    index = read_data(f"{year}:test", SAMPLE_CLASSES)
    assert len(index) == 2
    for image, number in enumerate((6, 7)):
        drawn = sample_image(3, number)
        np.testing.assert_array_equal(index.boxes[index.span(image)], drawn.boxes)
        np.testing.assert_array_equal(index.labels[index.span(image)], drawn.labels)
        decoded = cv2.cvtColor(cv2.imread(str(index.path(image))), cv2.COLOR_BGR2RGB).astype(int)
        assert np.abs(decoded - drawn.image).mean() < 12


def test_existing_year_is_not_touched(tmp_path):
    (tmp_path / "VOC2007").mkdir()
    with pytest.raises(ValueError, match="VOC2007 exists already"):
        write_sample_data(tmp_path, splits={"train": 1})
    assert list((tmp_path / "VOC2007").iterdir()) == []


def test_another_year_beside_it(tmp_path):
    (tmp_path / "VOC2007").mkdir()
    write_sample_data(tmp_path, year="VOC2031", splits={"test": 1})
    assert (tmp_path / "VOC2031" / "JPEGImages" / "000000.jpg").is_file()
    assert "<folder>VOC2031</folder>" in (tmp_path / "VOC2031" / "Annotations" / "000000.xml").read_text()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.sample.writer.sample_image", lambda seed, number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_sample_data(tmp_path, splits={"train": 1})
    assert list(tmp_path.iterdir()) == []
