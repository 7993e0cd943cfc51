"""Packages that not everybody needs are named when they are missing."""

import pytest

from utils.packages import require_packages


def test_what_is_missing_is_to_be_installed():
    require_packages("--format onnx", "json", "torch")
    with pytest.raises(ValueError, match=r"--format onnx needs .*: pip install no_such_package$"):
        require_packages("--format onnx", "json", "no_such_package")
