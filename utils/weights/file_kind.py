"""Recognises the kinds of exported models without loading them."""

import zipfile
from pathlib import Path
from typing import Literal

FileKind = Literal["onnx", "openvino", "torchscript"]
MODEL_FILE = "model.xml"  # in an OpenVINO folder
ENGINE_SUFFIXES = (".engine", ".plan", ".trt")


def exported_kind(path: str | Path) -> FileKind | None:
    """Return the kind of exported model at `path`; None for anything else.

    ONNX is recognised by the suffix, OpenVINO by `model.xml` or its folder, TorchScript by the content.
    ValueError for a TensorRT engine, which cannot be run here.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in ENGINE_SUFFIXES:
        raise ValueError(
            f"{path} is a TensorRT engine, which cannot be run here: give the .onnx file it was built from"
        )
    if suffix == ".onnx":
        return "onnx"
    if suffix == ".xml" or (path / MODEL_FILE).is_file():
        return "openvino"
    return "torchscript" if path.is_file() and _is_torchscript(path) else None


def _is_torchscript(path: Path) -> bool:
    """Return whether the file is a TorchScript archive; archives of `torch.save` have no constants.pkl."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # damaged headers raise anything from BadZipFile to UnicodeDecodeError
        return False


def refuse_exported(path: str | Path, reason: str) -> None:
    """Raise ValueError if `path` is an exported model; `reason` says what cannot be done with it."""
    if exported_kind(path):
        raise ValueError(
            f"{path} is an exported model, which {reason}: give the checkpoint that it was exported from"
        )
