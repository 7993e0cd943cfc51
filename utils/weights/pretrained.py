"""Weights published by the authors of the networks: sources, licences and download."""

from pathlib import Path
from typing import NamedTuple

from utils.system.cli import ROOT
from utils.system.download import download, file_sha256

MODEL_DATA = ROOT / "model_data"
PRETRAINED = "pretrained"  # value of --weights instead of a file


class WeightsSource(NamedTuple):
    """The source of a weights file; `sha256` is empty if no trusted checksum is known."""

    url: str
    sha256: str
    licence: str

    @property
    def file_name(self) -> str:
        """The name of the file, the same in the URL and on disk."""
        return self.url.rpartition("/")[2]


_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_YOLOV3 = "https://data.pjreddie.com/files"
_YOLOV4 = "https://github.com/AlexeyAB/darknet/releases/download"
_YOLOV9 = "https://github.com/MultimediaTechLab/YOLO/releases/download/v1.0-alpha"
_TORCHVISION = "https://download.pytorch.org/models"

# By model. All are trained on COCO.
SOURCES: dict[str, WeightsSource] = {
    "yolov3": WeightsSource(
        f"{_YOLOV3}/yolov3.weights",
        "523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297",
        "public domain",
    ),
    "yolov3_tiny": WeightsSource(
        f"{_YOLOV3}/yolov3-tiny.weights",
        "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
        "public domain",
    ),
    "yolov4": WeightsSource(
        f"{_YOLOV4}/darknet_yolo_v3_optimal/yolov4.weights",
        "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
        "public domain",
    ),
    "yolov4_tiny": WeightsSource(
        f"{_YOLOV4}/darknet_yolo_v4_pre/yolov4-tiny.weights",
        "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
        "public domain",
    ),
    "yolox_nano": WeightsSource(
        f"{_YOLOX}/yolox_nano.pth",
        "cd28f55fbbc1829f99d9ac9b38a16d259a22889739c8728ea877610201feff7b",
        "Apache-2.0",
    ),
    "yolox_tiny": WeightsSource(
        f"{_YOLOX}/yolox_tiny.pth",
        "9de513de589ac98bb92d3bca53b5af7b9acfa9b0bacb831f7999d0f7afaee8f0",
        "Apache-2.0",
    ),
    "yolox_s": WeightsSource(
        f"{_YOLOX}/yolox_s.pth",
        "f55ded7181e1b0c13285c56e7790b8f0e8f8db590fe4edb37f0b7f345c913a30",
        "Apache-2.0",
    ),
    "yolox_m": WeightsSource(
        f"{_YOLOX}/yolox_m.pth",
        "60076992b32da82951c90cfa7bd6ab70eba9eda243e08b940a396f60ac2d19b6",
        "Apache-2.0",
    ),
    "yolox_l": WeightsSource(
        f"{_YOLOX}/yolox_l.pth",
        "1e6b7fa6240375370b2a8a8eab9066b3cdd43fd1d0bfa8d2027fd3a51def2917",
        "Apache-2.0",
    ),
    "yolox_x": WeightsSource(
        f"{_YOLOX}/yolox_x.pth",
        "5652330b6ae860043f091b8f550a60c10e1129f416edfdb65c259be6caf355cf",
        "Apache-2.0",
    ),
    "yolov9_t": WeightsSource(f"{_YOLOV9}/v9-t.pt", "", "MIT"),
    "yolov9_s": WeightsSource(f"{_YOLOV9}/v9-s.pt", "", "MIT"),
    "yolov9_m": WeightsSource(f"{_YOLOV9}/v9-m.pt", "", "MIT"),
    "yolov9_c": WeightsSource(f"{_YOLOV9}/v9-c.pt", "", "MIT"),
    "ssd300_vgg16": WeightsSource(
        f"{_TORCHVISION}/ssd300_vgg16_coco-b556d3b4.pth",
        "b556d3b43ab6c3f63d81bfb8835fe8756ac22da664357da100dccf96b6a6b42d",
        "BSD-3-Clause",
    ),
    "ssdlite320": WeightsSource(
        f"{_TORCHVISION}/ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
        "a79551df90c79834bcd3bb3845ef9d966b5449a3a9b2833ae8404778ca5d65d2",
        "BSD-3-Clause",
    ),
    "fasterrcnn": WeightsSource(
        f"{_TORCHVISION}/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        "258fb6c638b15964ddcdd1ae0748c5eef1be9e732750120cc857feed3faac384",
        "BSD-3-Clause",
    ),
    "retinanet": WeightsSource(
        f"{_TORCHVISION}/retinanet_resnet50_fpn_coco-eeacb38b.pth",
        "eeacb38b7cec8cf93c57867e05eaab621047f19b0d2ec5accaa405f690da15b7",
        "BSD-3-Clause",
    ),
    "fcos": WeightsSource(
        f"{_TORCHVISION}/fcos_resnet50_fpn_coco-99b0c9b7.pth",
        "99b0c9b7cfb1527d782db86b91d207f00547c792fb4103fc612b651d0a07b9e7",
        "BSD-3-Clause",
    ),
}


def weights_source(model: str) -> WeightsSource:
    """Return the source of a model's published weights. ValueError if there are none."""
    if model not in SOURCES:
        raise ValueError(
            f"--weights pretrained: there are no published weights of the model '{model}', only of "
            f"{', '.join(SOURCES)}; give --weights a file, or none"
        )
    return SOURCES[model]


def weights_licence(path: Path, model: str | None) -> str | None:
    """Return the licence of a published file, or of `model`'s weights for "pretrained"; None if unknown."""
    if str(path) == PRETRAINED and model is not None:
        return weights_source(model).licence
    found = file_sha256(path)
    return next((source.licence for source in SOURCES.values() if source.sha256 == found), None)


def pretrained_weights(model: str, folder: Path = MODEL_DATA) -> Path:
    """Return the file in `folder` with a model's published weights, downloaded if it is missing.

    Prints source and licence, and the checksum of a file that cannot be verified. ValueError if the download
    fails, with instructions to do it by hand, or if a different file has that name.
    """
    source = weights_source(model)
    path = folder / source.file_name
    if not path.is_file():
        print(f"downloading the weights of {model} ({source.licence}) from {source.url} to {folder}")
        download(source.url, path, source.sha256)
    elif not (found := file_sha256(path)).startswith(source.sha256):
        raise ValueError(
            f"{path} is not the published file: its SHA-256 is {found}, not {source.sha256}. Use it as it is "
            f"with --weights {path}, or move it away to download {source.url}"
        )
    if not source.sha256:
        print(f"{path} could not be verified: no checksum is known; its SHA-256 is {file_sha256(path)}")
    return path
