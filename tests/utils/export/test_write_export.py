"""Where exports go, what cannot be exported, and the command for TensorRT."""

from pathlib import Path

import pytest

from nets import build_detector
from tests.utils.export.exports import metadata_of, small_detector
from utils.export.write_export import check_exportable, output_path, trtexec_command

DETECTOR = small_detector()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("onnx", "best.onnx"),
        ("tensorrt", "best.onnx"),
        ("torchscript", "best.torchscript"),
        ("openvino", "best_openvino"),
    ],
)
def test_beside_the_weights_by_default(kind, name):
    assert output_path(None, Path("logs/run/best.pt"), None, kind) == Path("logs/run") / name
    assert output_path(None, Path("pretrained"), "yolov3", kind) == Path(name.replace("best", "yolov3"))


def test_names_say_what_is_in_them(tmp_path):
    weights = Path("best.pt")
    assert output_path(tmp_path / "a.onnx", weights, None, "onnx") == tmp_path / "a.onnx"
    with pytest.raises(ValueError, match=r"a\.pt: the name for --format onnx must end in \.onnx"):
        output_path(tmp_path / "a.pt", weights, None, "onnx")
    (tmp_path / "b.onnx").mkdir()
    with pytest.raises(ValueError, match="is a folder: name a file"):
        output_path(tmp_path / "b.onnx", weights, None, "onnx")


def test_folders_with_other_things_are_left_alone(tmp_path):
    weights, folder = Path("best.pt"), tmp_path / "model"
    assert output_path(folder, weights, None, "openvino") == folder
    folder.mkdir()
    assert output_path(folder, weights, None, "openvino") == folder
    (folder / "photo.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="holds other files"):
        output_path(folder, weights, None, "openvino")
    (folder / "photo.jpg").rename(folder / "model.xml")
    assert output_path(folder, weights, None, "openvino") == folder, "an earlier export may be replaced"
    with pytest.raises(ValueError, match="is a file"):
        output_path(folder / "model.xml", weights, None, "openvino")


@pytest.mark.parametrize(
    ("changes", "kind", "half", "message"),
    [
        ({}, "onnx", True, "--half stores"),
        ({"letterbox": True, "dynamic": True}, "onnx", False, "leave out --dynamic"),
        ({"letterbox": True, "nms": False}, "onnx", False, "--letterbox needs NMS"),
        ({"letterbox": True}, "tensorrt", False, "float64, which TensorRT does not have"),
    ],
)
def test_what_does_not_go_together(changes, kind, half, message):
    check_exportable(DETECTOR, metadata_of(DETECTOR), kind, False)
    with pytest.raises(ValueError, match=message):
        check_exportable(DETECTOR, metadata_of(DETECTOR, **changes), kind, half)


def test_networks_that_are_no_fixed_graph():
    detector = build_detector("fasterrcnn", 2)
    with pytest.raises(ValueError, match="fasterrcnn cannot be exported: the number of boxes"):
        check_exportable(detector, metadata_of(detector, model_name="fasterrcnn"), "onnx", False)
    detector = build_detector("ssdlite320", 2)
    metadata = metadata_of(detector, model_name="ssdlite320", dynamic=True)
    with pytest.raises(ValueError, match="anchors of ssdlite320 depend on the image size"):
        check_exportable(detector, metadata, "onnx", False)


def test_the_command_for_tensorrt():
    path = Path("a.onnx")
    fixed = trtexec_command(path, metadata_of(DETECTOR))
    assert fixed == "trtexec --onnx=a.onnx --saveEngine=a.engine --fp16"
    open_sizes = trtexec_command(path, metadata_of(DETECTOR, dynamic=True, smallest=20))
    assert open_sizes == (
        f"{fixed} --minShapes=images:1x3x32x32 --optShapes=images:1x3x48x64 --maxShapes=images:8x3x48x64"
    )
