"""What others find in an ONNX file."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.utils.export.exports import CLASSES, OPTIONS, small_detector, write_small
from utils.export.onnx_text import IR_VERSION, OPSET
from utils.inference.exported_metadata import METADATA_KEY


def test_a_letterbox_with_an_image_of_any_size_for_others(tmp_path):
    session = onnxruntime.InferenceSession(write_small(small_detector(), tmp_path, "onnx", letterbox=True))
    image = np.random.default_rng(0).integers(0, 256, (111, 300, 3), dtype=np.uint8)
    boxes, scores, labels = session.run(["boxes", "scores", "labels"], {"image": image})
    found = labels[0] >= 0
    assert found.any() and boxes[0, found].max() > 100, "in pixels of the image"
    assert (boxes[0, found] <= [300, 111, 300, 111]).all() and (scores[0, found] >= 0.25).all()


def test_nothing_of_this_machine_is_in_the_file(tmp_path):
    path = write_small(small_detector(), tmp_path, "onnx")
    model = onnx.load(path)
    assert [entry.key for entry in model.metadata_props] == [METADATA_KEY]
    assert json.loads(model.metadata_props[0].value)["class_names"] == [*CLASSES]
    content = path.read_bytes()
    assert b".py" not in content and b"site-packages" not in content


@pytest.mark.parametrize("options", OPTIONS)
def test_older_runtimes_read_it(options, tmp_path):
    """Its IR version is the lowest that has the opset: ONNX Runtime before 1.18 refuses 10."""
    lowest = min(ir for _, ir, opset, *_ in onnx.helper.VERSION_TABLE if opset >= OPSET)
    model = onnx.load(write_small(small_detector(), tmp_path, "onnx", **OPTIONS[options]))
    assert model.ir_version == IR_VERSION == lowest == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
