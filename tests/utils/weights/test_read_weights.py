"""Weights files are read whole, and damaged ones refused."""

import struct

import numpy as np
import pytest

from utils.weights.read_weights import read_darknet, read_weights

FLOATS = np.array([1.5, -2.0, 3e-8], "<f4")


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 0, 9)])
def test_before_version_0_2_the_number_of_images_has_32_bits(tmp_path, version):
    path = tmp_path / "a.weights"
    path.write_bytes(struct.pack("<4i", *version, 99) + FLOATS.tobytes())
    assert read_darknet(path).tolist() == FLOATS.tolist()


@pytest.mark.parametrize("version", [(0, 2, 0), (0, 2, 5), (1, 0, 0)])
def test_from_version_0_2_on_it_has_64_bits(tmp_path, version):
    path = tmp_path / "a.WEIGHTS"
    path.write_bytes(struct.pack("<3iq", *version, 2**40) + FLOATS.tobytes())
    assert read_weights(path).state["darknet"].tolist() == FLOATS.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes: too few"),
        (struct.pack("<3iq", 0, 2, 5, 1), "is cut off: 20 bytes"),
        (struct.pack("<3iq", 0, 2, 5, 1) + b"abcdef", "is cut off: 26 bytes"),
        (b"<!DOCTYPE html><html>", "is no Darknet file: it does not begin with a version"),
        (b"PK\x03\x04" + bytes(40), "is no Darknet file"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.weights"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.weights {message}"):
        read_darknet(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.weights does not exist"):
        read_weights(tmp_path / "none.weights")
