"""Exported models are told apart, and refused where weights are needed."""

import pytest
import torch

from tests.utils.export.exports import KINDS, foreign_onnx
from utils.weights.file_kind import MODEL_FILE, exported_kind, refuse_exported
from utils.weights.read_weights import read_weights


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A path of each kind."""
    folder = tmp_path_factory.mktemp("模型 x")
    (folder / "openvino").mkdir()
    (folder / "openvino" / MODEL_FILE).write_bytes(b"")
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), str(folder / "a.pt"))
    return {
        "onnx": foreign_onnx(folder / "a.onnx"),
        "openvino": folder / "openvino",
        "torchscript": folder / "a.pt",
    }


def test_which_kind_a_path_is(files, tmp_path):
    assert {kind: exported_kind(path) for kind, path in files.items()} == {kind: kind for kind in KINDS}
    assert exported_kind(files["openvino"] / MODEL_FILE) == "openvino"
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "best.pt")
    (tmp_path / "text.pt").write_text("no archive", encoding="utf-8")
    for none in (tmp_path / "best.pt", tmp_path / "text.pt", tmp_path / "gone.pt", tmp_path):
        assert exported_kind(none) is None
    with pytest.raises(ValueError, match=r"give the \.onnx file"):
        exported_kind("model.engine")


@pytest.mark.parametrize("kind", KINDS)
def test_exported_files_are_nothing_to_train(kind, files):
    with pytest.raises(ValueError, match="give the checkpoint"):
        read_weights(files[kind])
    with pytest.raises(ValueError, match="is an exported model, which is too late"):
        refuse_exported(files[kind], "is too late")
