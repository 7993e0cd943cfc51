"""Files of OpenVINO with half the size, and TorchScript files without our code."""

import shutil
import subprocess
import sys

import pytest
import torch

from tests.utils.export.exports import SIZE, random_images, small_detector, write_small
from utils.inference.exported_model import load_exported
from utils.inference.loaded_runtime import HOST


def test_half_keeps_weights_in_half_the_space(tmp_path):
    detector = small_detector()
    half, full = (write_small(detector, tmp_path, "openvino", str(half), half) for half in (True, False))
    sizes = [(folder / "model.bin").stat().st_size for folder in (half, full)]
    assert sizes[0] < 0.8 * sizes[1]
    found = load_exported(half, HOST, "off").detect(random_images(1)).scores
    torch.testing.assert_close(found, detector.detect(random_images(1)).scores, rtol=0.02, atol=0.01)


def test_torchscript_needs_none_of_our_code(tmp_path):
    """As in C++: in a process that cannot import it."""
    detector = small_detector()
    path = write_small(detector, tmp_path, "torchscript")
    code = (
        f"import torch; network = torch.jit.load({str(path)!r}); "
        "print(network(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))[1].sum().item())"
    )
    command = [sys.executable, "-I", "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = detector.detect(torch.zeros(1, 3, *SIZE, dtype=torch.uint8)).scores.sum()
    assert float(done.stdout) == pytest.approx(float(expected), rel=1e-4)


def test_a_disk_without_room_for_torchscript_raises(small_disk):
    """PyTorch's own writer ends the process instead."""
    (small_disk / "full").write_bytes(bytes(shutil.disk_usage(small_disk).free - 4096))
    with pytest.raises(OSError, match="No space left on device"):
        write_small(small_detector(), small_disk, "torchscript")
