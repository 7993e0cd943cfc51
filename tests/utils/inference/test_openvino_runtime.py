"""OpenVINO's number formats, its folder, its Core, and folders of others."""

import subprocess
import sys

import openvino
import pytest
import torch

from tests.helpers import ROOT
from tests.utils.export.exports import foreign_onnx, random_images
from utils.inference.exported_model import load_exported
from utils.inference.loaded_runtime import HOST
from utils.inference.openvino_runtime import openvino_core, precision
from utils.system.device import supports_bf16
from utils.weights.file_kind import MODEL_FILE


def test_bfloat16_is_the_same_very_nearly(detector, files):
    images = random_images(2)
    exported, expected = load_exported(files("openvino"), HOST, "bf16"), detector.detect(images)
    assert "bf16" in exported.describe()
    torch.testing.assert_close(exported.detect(images).scores, expected.scores, rtol=0.1, atol=0.05)


def test_openvino_has_no_fp16_here():
    assert precision("off", accurate=True) == "f32" and precision("bf16", accurate=False) == "bf16"
    assert precision("auto", accurate=False) == "f32"
    assert precision("auto", accurate=True) == ("bf16" if supports_bf16(HOST) else "f32")
    with pytest.raises(ValueError, match="use --amp bf16, auto or off"):
        precision("fp16", accurate=True)


def test_the_file_in_an_openvino_folder_stands_for_it(files):
    folder = files("openvino")
    whole, inside = (load_exported(path, HOST, "off") for path in (folder, folder / MODEL_FILE))
    assert torch.equal(whole.detect(random_images(1)).scores, inside.detect(random_images(1)).scores)


def test_a_model_of_another_kind_is_not_opened(files, tmp_path, capfd):
    (tmp_path / MODEL_FILE).write_bytes(files("onnx").read_bytes())
    with pytest.raises(ValueError, match=rf"{MODEL_FILE}: it is not XML"):
        load_exported(tmp_path)
    assert not capfd.readouterr().err  # where OpenVINO tries TensorFlow


def test_a_foreign_folder_is_refused(tmp_path):
    folder = tmp_path / "foreign"
    model = openvino_core().read_model(foreign_onnx(tmp_path / "foreign.onnx"))
    openvino.save_model(model, folder / MODEL_FILE)
    with pytest.raises(ValueError, match="lacks the output candidate_boxes"):
        load_exported(folder)


SIGNALLED = """
import faulthandler, gc, signal, sys
from pathlib import Path

import torch

from utils.inference.exported_model import load_exported

faulthandler.enable()
loaded = [load_exported(Path(sys.argv[1]), torch.device("cpu"), "off") for _ in range(2)]
for exported in loaded:
    exported.detect(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))
del exported
while loaded:
    del loaded[0]
    gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("stopped")
"""


def test_a_signal_after_openvino_is_no_crash(files):
    """As it is where there are two Cores of OpenVINO, and the first goes first."""
    command = [sys.executable, "-c", SIGNALLED, str(files("openvino"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
