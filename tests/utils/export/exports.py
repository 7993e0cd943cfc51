"""A detector small enough to be exported in a second, the metadata of its files, and foreign files."""

import copy

import onnx
import torch
from torch import nn

from nets.common.detector import Detector
from nets.common.preprocess import PixelFormat
from nets.heads.yolox_head import YOLOXHead, decode_yolox
from nets.losses.yolox_loss import yolox_loss
from utils.export.onnx_text import parse_graph
from utils.export.write_export import ENDINGS, write_export
from utils.inference.exported_metadata import ExportMetadata
from utils.inference.exported_model import load_exported
from utils.inference.loaded_runtime import HOST
from utils.weights.thresholds import Thresholds

CLASSES = ("猫", "dog", "a b")
SIZE = (48, 64)
STRIDE = 16
KINDS = ("onnx", "openvino", "torchscript")
OPTIONS = {
    "fixed": {},
    "bare": {"nms": False},
    "dynamic": {"dynamic": True},
    "letterbox": {"letterbox": True},
}


class Backbone(nn.Module):
    """One level of features."""

    channels = (8,)
    strides = (STRIDE,)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=STRIDE, padding=1)

    def forward(self, images):
        return (self.conv(images).relu(),)


def small_detector(seed=0, pixels=None):
    """A detector whose boxes are a few cells wide and whose scores are spread between 0 and 1."""
    torch.manual_seed(seed)
    pixels = pixels or PixelFormat(channels="bgr", mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2), pad_value=90)
    backbone = Backbone()
    head = YOLOXHead(backbone.channels, backbone.strides, len(CLASSES))
    for conv in (*head.class_preds, *head.objectness_preds):
        nn.init.normal_(conv.weight)
        nn.init.zeros_(conv.bias)
    detector = Detector(backbone, nn.Identity(), head, yolox_loss, decode_yolox, pixels, STRIDE)
    return detector.eval().requires_grad_(False)


def changed(detector):
    """Another detector: one bias differs."""
    other = copy.deepcopy(detector)
    with torch.no_grad():
        other.head.class_preds[0].bias[1] += 0.5
    return other


def metadata_of(detector, **changes):
    """The metadata of a file of it, for `SIZE` and with NMS in the graph."""
    metadata = {
        "model_name": "yolox_nano",
        "class_names": CLASSES,
        "image_size": SIZE,
        "stride": detector.stride,
        "smallest": 1,
        "pixels": detector.pixels,
        "thresholds": Thresholds(0.4, (0.3, 0.4, 0.5)),
        "dynamic": False,
        "letterbox": False,
        "nms": True,
        "confidence": 0.25,
        "nms_iou": 0.45,
        "max_detections": 20,
    }
    return ExportMetadata(**metadata | changes)


def random_images(number, size=SIZE, seed=0):
    """Random images uint8 [number, 3, H, W], channels last in memory as letterboxed ones are."""
    generator = torch.Generator().manual_seed(seed)
    shape = (number, *size, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


def write_small(detector, folder, kind, name="x", half=False, **changes):
    """Export a small detector into a folder, and return the path."""
    path = folder / (name + ENDINGS[kind])
    device = "cpu" if kind == "torchscript" else "any"
    write_export(detector, metadata_of(detector, device=device, **changes), path, kind, half)
    return path


def load_small(detector, folder, kind, **changes):
    """Export a small detector, and load the file."""
    return load_exported(write_small(detector, folder, kind, **changes), HOST, "off", trust=True)


def foreign_onnx(path):
    """A file that `export.py` did not write."""
    graph = "g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y) { y = Identity(x) }"
    onnx.save(parse_graph(graph), path)
    return path
