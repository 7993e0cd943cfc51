"""export.py as a user runs it, and its files in place of a checkpoint."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.scripts.running import CLASSES, SIZE, accepted, refused, script
from utils.inference.exported_model import load_exported
from utils.weights.checkpoint import store_thresholds
from utils.weights.thresholds import Thresholds

THRESHOLDS = Thresholds(0.2, (0.2, 0.21, 0.22, 0.23, 0.24))
CPU = ("--device", "cpu", "--amp", "off")


@pytest.fixture(scope="module")
def weights(home):
    """Weights that find something everywhere, with thresholds."""
    path = home / "好 weights.pt"
    path.write_bytes((home / "start.pt").read_bytes())
    store_thresholds(path, THRESHOLDS)
    return path


@pytest.fixture(scope="module")
def onnx(home, weights):
    """The file, and what was printed."""
    data = ["--check", "2007_val.txt"]
    done = script("export.py", "--weights", weights.name, *data, cwd=home)
    return weights.with_suffix(".onnx"), done.stdout


@pytest.fixture(scope="module")
def openvino(home, weights):
    """The folder."""
    script("export.py", "--weights", weights, "--format", "openvino", "--output", "ov", cwd=home)
    return home / "ov"


def test_what_was_compared_is_told(onnx):
    path, output = onnx
    first, second, last = output.splitlines()
    assert first.startswith("6 images: boxes differ by at most ") and "; before mAP50 " in first
    before, after = first.split("; before ")[1].split(", after ")
    assert before == after and "mAP50 0.0000" not in before
    assert second.startswith("NMS in the graph and our own: ")
    assert last == f"saved: {path.name}"


def test_the_file_knows_what_the_checkpoint_knows(onnx):
    metadata = load_exported(onnx[0]).metadata
    assert (
        metadata.class_names == CLASSES
        and metadata.model_name == "yolox_nano"
        and metadata.thresholds == THRESHOLDS
    )
    assert (
        metadata.image_size == (SIZE, SIZE)
        and metadata.confidence == 0.2
        and metadata.weights_licence is None
    )


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_predictions_are_those_of_the_checkpoint(kind, home, weights, onnx, openvino, tmp_path, capsys):
    found = []
    for number, file in enumerate((weights, onnx[0] if kind == "onnx" else openvino)):
        folder = tmp_path / str(number)
        options = ["--weights", file, "--output", folder, "--save-json", *CPU]
        output = accepted(capsys, "predict.py", home / "VOC2007" / "JPEGImages", *options)
        assert "confidence 0.2" in output, "as stored"
        entries = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        found.append(sorted(entries, key=lambda entry: (entry["image"], entry["category"], entry["bbox"])))
    assert len(found[0]) == len(found[1]) > 8
    for one, other in zip(*found, strict=True):
        assert (one["image"], one["category"]) == (other["image"], other["category"])
        np.testing.assert_allclose(one["bbox"], other["bbox"], atol=0.2)
        np.testing.assert_allclose(one["score"], other["score"], atol=1e-3)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_metrics_are_those_of_the_checkpoint(kind, home, weights, onnx, openvino, tmp_path, capsys):
    metrics = []
    for number, file in enumerate((weights, onnx[0] if kind == "onnx" else openvino)):
        folder = tmp_path / str(number)
        options = ["--weights", file, "--output", folder, "--resamples", 0, *CPU]
        output = accepted(capsys, "get_map.py", "--data", home / "2007_val.txt", *options)
        metrics.append(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
    assert ("OpenVINO on CPU, f32" if kind == "openvino" else "ONNX Runtime on CPU, float32") in output
    summaries = [[value for value in f["coco"].values() if isinstance(value, float)] for f in metrics]
    assert len(summaries[0]) > 6 and summaries[0] == pytest.approx(summaries[1], abs=1e-6, nan_ok=True)
    assert metrics[0]["coco"]["map"] > 0.1


def test_rectangular_batches_need_open_sizes(onnx, tmp_path, capsys):
    Image.new("RGB", (100, 20)).save(tmp_path / "wide.png")
    (tmp_path / "wide.txt").write_text(f"{tmp_path / 'wide.png'} 1,1,9,9,0\n", encoding="utf-8")
    data = ["--data", tmp_path / "wide.txt", "--rectangular", "--output", tmp_path / "map", *CPU]
    message = refused(capsys, "get_map.py", "--weights", onnx[0], *data)
    assert "leave out --image-size and --rectangular" in message and "--dynamic" in message


def test_thresholds_belong_into_the_checkpoint(home, onnx, capsys):
    options = ["--weights", onnx[0], "--data", home / "2007_val.txt", "--store-thresholds"]
    assert "give the checkpoint that it was exported from" in refused(capsys, "get_map.py", *options)


def test_beyond_the_tolerance_nothing_is_kept(weights, tmp_path, capsys):
    output = tmp_path / "out" / "a.onnx"
    options = ["--weights", weights, "--output", output, "--tolerance", 1e-12, 1e-12]
    message = refused(capsys, "export.py", *options)
    assert (
        "not the same detector" in message and "set --tolerance" in message and "allowed are 1e-12" in message
    )
    assert list(output.parent.iterdir()) == []


def test_torchscript_and_the_command_for_tensorrt(weights, tmp_path, capsys):
    output = tmp_path / "a.torchscript"
    printed = accepted(
        capsys, "export.py", "--weights", weights, "--format", "torchscript", "--output", output
    )
    assert "8 drawn images" in printed and load_exported(output, trust=True).metadata.device == "cpu"
    output = tmp_path / "a.onnx"
    options = ["--format", "tensorrt", "--output", output, "--no-nms", "--confidence", 0.3]
    printed = accepted(capsys, "export.py", "--weights", weights, *options)
    assert (
        f"trtexec --onnx={output} --saveEngine={tmp_path / 'a.engine'} --fp16" in printed
        and "not tried" in printed
    )
    assert not load_exported(output).metadata.nms


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--nms-iou", 0], "--nms-iou must be above 0 and at most 1"),
        (["--confidence", 2], "--confidence must be from 0 to 1"),
        (["--tolerance", 0, 1], "--tolerance is two numbers above 0"),
        (["--half"], "--half stores"),
        (["--output", "a.pt"], "must end in .onnx"),
        (["--check", "nowhere.txt"], "nowhere.txt does not exist"),
        (["--letterbox", "--dynamic"], "leave out --dynamic"),
    ],
)
def test_wrong_usage(options, message, weights, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "export.py", "--weights", weights, *options)
    assert list(tmp_path.iterdir()) == []


def test_exported_files_are_exported_no_more(onnx, capsys):
    assert "which cannot be exported again" in refused(capsys, "export.py", "--weights", onnx[0])
