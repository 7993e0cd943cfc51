"""Exported files with contents that export.py never writes: used, or refused by name.

BOXWRIGHT_FUZZ=100000 python -m pytest tests/utils/inference/test_fuzz_exports.py tries more.
"""

import json
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.utils.altered_contents import altered
from tests.utils.export.exports import SIZE, metadata_of, random_images, small_detector
from tests.utils.fuzzing import fuzz, mutated, read_or_refuse
from utils.inference.exported_metadata import METADATA_KEY, metadata_from_json
from utils.inference.exported_model import load_exported
from utils.inference.loaded_runtime import HOST
from utils.weights.file_kind import MODEL_FILE

SEEDS = st.integers(0, 2**40)
METADATA = json.loads(metadata_of(small_detector()).to_json())
FEW = settings(fuzz, max_examples=max(fuzz.max_examples // 4, 15))  # these need tens of milliseconds each


def use(path):
    """Detect on an image."""
    exported = load_exported(path, HOST, "off")
    exported.detect(random_images(1, exported.image_size if max(exported.image_size) < 500 else SIZE))


@fuzz
@given(SEEDS)
def test_altered_metadata(seed):
    text = json.dumps(altered(METADATA, seed, tensors=False))
    read_or_refuse(lambda path: metadata_from_json(text, path), Path("a.onnx"))


@fuzz
@given(mutated([json.dumps(METADATA).encode(), json.dumps(METADATA, ensure_ascii=False).encode()]))
def test_damaged_metadata(content):
    text = content.decode(errors="surrogateescape")
    read_or_refuse(lambda path: metadata_from_json(text, path), Path("a.onnx"))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"pixels": ' * 50_000, "9" * 5000, "[]"])
def test_endless_metadata(text):
    with pytest.raises(ValueError, match=r"a\.onnx cannot be read"):
        metadata_from_json(text, Path("a.onnx"))


@FEW
@given(SEEDS)
def test_onnx_with_altered_metadata(tmp_path_factory, files, seed):
    path = tmp_path_factory.getbasetemp() / "fuzz.onnx"
    model = onnx.load(files("onnx", "bare"))
    text = json.dumps(altered(METADATA, seed, tensors=False))
    onnx.helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    read_or_refuse(use, path)


@FEW
@given(st.data())
def test_damaged_onnx(tmp_path_factory, files, data):
    path = tmp_path_factory.getbasetemp() / "fuzz2.onnx"
    path.write_bytes(data.draw(mutated([files("onnx", "bare").read_bytes()])))
    read_or_refuse(use, path)


@FEW
@given(st.data(), st.sampled_from([MODEL_FILE, "model.bin"]))
def test_damaged_openvino(tmp_path_factory, files, data, name):
    whole = files("openvino", "bare")
    path = tmp_path_factory.getbasetemp() / "fuzz_openvino"
    path.mkdir(exist_ok=True)
    for file in whole.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    (path / name).write_bytes(data.draw(mutated([(whole / name).read_bytes()])))
    read_or_refuse(use, path)


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c", "d"]])
def test_other_class_names_than_scores(files, tmp_path, classes):
    model = onnx.load(files("onnx", "bare"))
    content = METADATA | {"class_names": classes, "thresholds": None}
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(content)})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=rf"a\.onnx contradicts itself: .* its {len(classes)} class names"):
        use(tmp_path / "a.onnx")
