"""What an exported file says of itself comes back as it was."""

import json
from pathlib import Path

import pytest

from nets import ZOO
from tests.utils.export.exports import metadata_of, small_detector
from utils.inference.exported_metadata import boxwright_version, metadata_from_json

DETECTOR = small_detector()


@pytest.mark.parametrize("name", ZOO)
def test_everything_comes_back(name):
    metadata = metadata_of(DETECTOR, model_name=name, pixels=ZOO[name].pixels, smallest=ZOO[name].smallest)
    assert metadata_from_json(metadata.to_json(), Path("a")) == metadata
    bare = metadata_of(DETECTOR, thresholds=None, dynamic=True, nms=False, device="cuda", bfloat16=False)
    assert metadata_from_json(bare.to_json(), Path("a")) == bare


def test_the_text_is_readable_by_others():
    text = metadata_of(DETECTOR, weights_licence="MIT").to_json()
    content = json.loads(text)
    assert content["class_names"] == ["猫", "dog", "a b"] and "猫" in text
    assert content["image_size"] == [48, 64] and content["pixels"]["pad_value"] == 90
    assert content["licence"] == "Apache-2.0" and content["weights_licence"] == "MIT"
    assert content["version"] == boxwright_version() and content["thresholds"]["overall"] == 0.4


def test_older_and_newer_files_are_read():
    """An older version did not write all that has a default; a newer one may write more."""
    metadata = metadata_of(DETECTOR, bfloat16=False)
    content = json.loads(metadata.to_json()) | {"new": 1}
    del content["bfloat16"], content["weights_licence"]
    assert metadata_from_json(json.dumps(content), Path("a")) == metadata_of(DETECTOR)


@pytest.mark.parametrize("change", [{"image_size": 5}, {"image_size": [1, 2, 3]}, {"pixels": {"grey": 1}}])
def test_other_texts_are_refused(change):
    content = json.loads(metadata_of(DETECTOR).to_json()) | change
    with pytest.raises(ValueError, match=r"a\.onnx .*export it again"):
        metadata_from_json(json.dumps(content), Path("a.onnx"))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_what_is_no_such_text_is_refused(text):
    with pytest.raises(ValueError, match="export it again"):
        metadata_from_json(text, Path("a.onnx"))
