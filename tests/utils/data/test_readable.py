"""Broken images found before training, by their ends or by decoding."""

import cv2
import numpy as np
import pytest

from utils.data import readable as image_check
from utils.data.index import ImageRecord, build_index
from utils.data.readable import looks_complete, require_readable, unreadable_lines, why_broken


def write(path, keep=None, more=b""):
    data = cv2.imencode(path.suffix, np.full((20, 30, 3), 90, np.uint8))[1].tobytes()
    path.write_bytes(data[:keep] + more)
    return path


def index_of(folder, number, broken):
    for image in range(number):
        write(folder / f"{image}.jpg", keep=300 if image in broken else None)
    return build_index([ImageRecord(str(folder / f"{image}.jpg")) for image in range(number)], ["a"])


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".png", ".jpeg"])
def test_whole_and_cut(tmp_path, suffix):
    assert looks_complete(write(tmp_path / f"whole{suffix}"))
    cut = write(tmp_path / f"cut{suffix}", keep=-3)
    assert not looks_complete(cut)
    for nothing in (tmp_path / f"empty{suffix}", tmp_path / f"short{suffix}"):
        nothing.write_bytes(b"\xff" if "short" in nothing.name else b"")
        assert not looks_complete(nothing) and str(nothing) in why_broken(nothing)


def test_what_comes_after_the_end_does_no_harm(tmp_path):
    path = write(tmp_path / "a.jpg", more=b"\0" * 10)
    assert not looks_complete(path) and why_broken(path) == ""


def test_other_formats_are_decoded(tmp_path):
    assert why_broken(write(tmp_path / "a.bmp")) == ""
    cut = write(tmp_path / "b.bmp", keep=20)
    assert str(cut) in why_broken(cut)
    assert "no such file" in why_broken(tmp_path / "c.jpg")


def test_one_in_a_hundred_is_borne(tmp_path):
    require_readable(index_of(tmp_path, 100, {7}), "DATA")
    with pytest.raises(ValueError, match=r"2 of 100 images of DATA cannot be read") as refused:
        require_readable(index_of(tmp_path, 100, {7, 55}), "DATA")
    assert str(tmp_path / "7.jpg") in str(refused.value) and str(tmp_path / "55.jpg") in str(refused.value)


def test_of_many_some_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(image_check, "MAX_CHECKED", 5)
    require_readable(index_of(tmp_path, 9, {1, 3, 5, 7}), "DATA")  # it looks at 0, 2, 4, 6, 8
    with pytest.raises(ValueError, match="1 of 5 images"):
        require_readable(index_of(tmp_path, 9, {8}), "DATA")


def test_skipped_images_are_named_up_to_ten():
    paths = [f"/data/{number}.jpg" for number in range(12)]
    assert unreadable_lines("skipped", []) == []
    assert unreadable_lines("skipped", paths[:1]) == ["skipped, cannot be read: /data/0.jpg"]
    assert len(unreadable_lines("skipped", paths[:10])) == 10
    lines = unreadable_lines("skipped", paths)
    assert len(lines) == 11 and lines[9].endswith("/data/9.jpg") and lines[10] == "and 2 more skipped"
