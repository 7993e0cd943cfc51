"""TorchScript files of others."""

import pytest
import torch

from utils.inference.exported_model import load_exported


def test_a_foreign_file_is_refused(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), str(tmp_path / "foreign.pt"))
    with pytest.raises(ValueError, match="lacks class names and sizes"):
        load_exported(tmp_path / "foreign.pt", trust=True)
