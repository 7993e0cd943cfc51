"""A small detector, exported files of it, and a data set."""

import cv2
import numpy as np
import pytest

from tests.utils.export.exports import CLASSES, load_small, small_detector
from utils.data.index import ImageRecord, build_index
from utils.sample.dataset import sample_image


@pytest.fixture(scope="package")
def detector():
    return small_detector()


@pytest.fixture(scope="package")
def openvino(detector, tmp_path_factory):
    return load_small(detector, tmp_path_factory.mktemp("export"), "openvino", dynamic=True, confidence=0.1)


@pytest.fixture(scope="package")
def letterboxed(detector, tmp_path_factory):
    return load_small(detector, tmp_path_factory.mktemp("export"), "onnx", letterbox=True, confidence=0.1)


@pytest.fixture(scope="package")
def index(tmp_path_factory, detector):
    """Three drawn images, and on two of them an object of class 0; one file is broken."""
    folder = tmp_path_factory.mktemp("images")
    records = []
    for number in range(3):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), sample_image(1, number).image)
        records.append(ImageRecord(str(path), np.array([[10, 10, 90, 90.0]]), np.array([0])))
    (folder / "2.png").write_bytes(b"no image")
    return build_index(records, CLASSES)
