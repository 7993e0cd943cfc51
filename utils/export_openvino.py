"""A detector as an OpenVINO folder: model.xml and model.bin, made of the ONNX graph."""

from pathlib import Path

from nets.detector import Detector
from utils.export_facts import NAME, ExportFacts
from utils.export_onnx import write_onnx
from utils.exported_kind import MODEL_FILE
from utils.openvino_core import openvino_core
from utils.packages import require_packages


def write_openvino(detector: Detector, facts: ExportFacts, folder: Path, half: bool = False) -> None:
    """Write the folder; with `half` weights are kept as float16 there, and are used as the device likes.

    ValueError where `openvino` is not installed, and as `write_onnx`.
    """
    require_packages("--format openvino", "openvino", "onnx", "onnxscript")
    import openvino

    folder.mkdir(parents=True)
    onnx_file = folder / "model.onnx"
    write_onnx(detector, facts, onnx_file)
    model = openvino_core().read_model(onnx_file)
    model.set_rt_info(facts.to_json(), [NAME])
    openvino.save_model(model, folder / MODEL_FILE, compress_to_fp16=half)
    del model  # Windows removes no file that is still open
    onnx_file.unlink()
