"""Write a detector for other runtimes: python export.py --weights logs/RUN/best.pt --format onnx

Takes ONNX, OpenVINO, TorchScript and, by ONNX, TensorRT. What was written is run and compared before it is kept;
predict.py, video.py and get_map.py take it as --weights.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from utils.cli import run
from utils.data_spec import read_data, require_images
from utils.device import choose_device
from utils.export_check import Difference
from utils.export_facts import ExportFacts
from utils.export_formats import Format, check_exportable, output_path, trtexec_command, write_export
from utils.export_proof import Proof, prove
from utils.atomic import proving
from utils.exported import load_exported
from utils.exported_kind import refuse_exported
from utils.inference_model import for_inference
from utils.predictor import TrainedDetector, load_trained
from utils.preflight import check_values
from utils.pretrained import weights_licence
from nets import preset
from nets.detector import Detector


@dataclass(frozen=True)
class Config:
    """Write a detector for other runtimes."""

    weights: Path  # a checkpoint of train.py, other weights, or pretrained with --model
    format: Format = "onnx"  # onnx, openvino, torchscript, or tensorrt: ONNX and the command to build an engine
    output: Path | None = None  # the file, or for OpenVINO the folder; by default beside the weights
    check: str = ""  # data to compare on: a list, VOC2007:test, a.json:images/, ...; by default drawn pictures
    dynamic: bool = False  # take any number of pictures of any size, rather than one of --image-size
    letterbox: bool = False  # take a picture of any size [h, w, 3], and give boxes in its own pixels
    nms: bool = True  # have outputs after non-maximum suppression too, beside those before it
    confidence: float = 0.25  # least score of a box after NMS in the file
    nms_iou: float = 0.45  # of two boxes of a class that overlap more than this, the better one stays there
    max_detections: int = 300  # most boxes on one picture there
    half: bool = False  # OpenVINO: keep weights as float16, in half the space
    tolerance: tuple[float, float] | None = None  # most pixels and score off; 0.1 and 0.001, --half 2 and 0.02
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    batch_size: int = 8  # pictures at a time in the comparison
    device: str = "cpu"  # TorchScript: where it is to run, cpu or cuda; the others run where they are run


def main(config: Config) -> None:
    """Write the file, run it, compare, and keep it if it is the same detector."""
    ...
