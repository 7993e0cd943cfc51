"""ONNX Runtime's execution providers, and ONNX files of others."""

import pytest
import torch

from tests.helpers import SHARED, needs_shared
from tests.utils.export.exports import foreign_onnx
from utils.inference.exported_model import load_exported
from utils.inference.loaded_runtime import HOST
from utils.inference.onnx_runtime import CPU, CUDA, choose_providers


def test_onnx_runtime_takes_the_gpu_where_it_can(capsys):
    gpu = torch.device("cuda:1")
    assert choose_providers(gpu, [CUDA, CPU]) == [(CUDA, {"device_id": 1}), CPU]
    assert choose_providers(HOST, [CUDA, CPU]) == [CPU] and not capsys.readouterr().out
    assert choose_providers(gpu, [CPU]) == [CPU]
    assert "pip install onnxruntime-gpu" in capsys.readouterr().out


def test_foreign_onnx_files_are_told_what_they_lack(tmp_path):
    path = foreign_onnx(tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match=r"lacks the output candidate_boxes, .*\. Export"):
        load_exported(path)


@needs_shared
def test_a_published_onnx_file_is_refused():
    with pytest.raises(ValueError, match="it lacks the output candidate_boxes"):
        load_exported(SHARED / "weights" / "yolox_nano.onnx")
