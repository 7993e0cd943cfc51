"""Which kind of exported model a path is, told without loading it."""

import zipfile
from pathlib import Path
from typing import Literal

FileKind = Literal["onnx", "openvino", "torchscript"]
MODEL_FILE = "model.xml"  # of OpenVINO, in its folder
ENGINES = (".engine", ".plan", ".trt")


def exported_kind(path: str | Path) -> FileKind | None:
    """ONNX by its suffix, OpenVINO by `model.xml` or its folder, TorchScript by what is in it; else None.

    ValueError for a TensorRT engine: those run where they were built, not here.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in ENGINES:
        raise ValueError(
            f"{path} is a TensorRT engine, which nothing here runs: give the .onnx file it was built from"
        )
    if suffix == ".onnx":
        return "onnx"
    if suffix == ".xml" or (path / MODEL_FILE).is_file():
        return "openvino"
    return "torchscript" if path.is_file() and _holds_code(path) else None


def _holds_code(path: Path) -> bool:
    """Whether it is an archive of TorchScript; those of `torch.save` have no code and no constants."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def refuse_exported(path: str | Path, what: str) -> None:
    """ValueError if `path` is an exported model; `what` says what it cannot be used for."""
    if exported_kind(path):
        raise ValueError(
            f"{path} is an exported model, which {what}: give the checkpoint that it was exported from"
        )
