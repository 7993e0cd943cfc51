"""The model zoo as tables of parts and presets. A new network consists of its parts, and an entry here."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from nets.backbones.csp_darknet import CSPDarknet
from nets.backbones.csp_darknet53 import CSPDarknet53, CSPDarknet53Tiny
from nets.backbones.darknet import Darknet53, DarknetTiny
from nets.backbones.gelan import GELAN
from nets.common.detector import Detector
from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates, InputSize
from nets.heads import anchor_head, dfl_head, yolox_head
from nets.heads.anchor_head import TINY_ANCHORS, YOLOV3_ANCHORS, YOLOV4_ANCHORS, AnchorHead, Anchors
from nets.heads.dfl_head import DFLHead
from nets.heads.yolov9_head import YOLOv9Head
from nets.heads.yolox_head import YOLOXHead
from nets.losses.anchor_loss import anchor_loss
from nets.losses.dfl_loss import dfl_loss
from nets.losses.yolox_loss import yolox_loss
from nets.necks.darknet_necks import TinyFPN, YOLOv3FPN, YOLOv4PAN
from nets.necks.gelan_pan import GELANPAN
from nets.necks.pafpn import PAFPN
from nets.zoo.torchvision_detectors import fasterrcnn, fcos, retinanet, ssd300, ssdlite320


class HeadFamily(NamedTuple):
    """A head with its loss and the decoder of its raw outputs.

    build     (channels, strides, num_classes) -> the head; also takes `anchors=` if it is anchored
    loss      (raw, targets, settings: LossSettings) -> the components of the loss
    decode    (raw) -> candidates
    anchored  whether the head has anchors
    """

    build: Callable[..., nn.Module]
    loss: Callable[..., dict[str, Tensor]]
    decode: Callable[[Any], Candidates]
    anchored: bool = False


class Preset(NamedTuple):
    """A named detector: the names of its parts in the tables, or the function that builds it.

    image_size    input height and width of the published results
    pixels        pixel format that the network expects
    backbone, neck, head  names of exchangeable parts; empty if the detector is built by `builder`
    anchors       anchors of an anchored head; None for the head's own
    builder       (number of classes, pixels) -> the detector, if its parts cannot be exchanged
    smallest      minimum height and width of the input
    smallest_box  smallest default box side as a fraction of the input size; 0 if it does not scale with it
    """

    name: str
    image_size: InputSize
    pixels: PixelFormat
    backbone: str = ""
    neck: str = ""
    head: str = ""
    anchors: Anchors | None = None
    builder: Callable[[int, PixelFormat], Detector] | None = None
    smallest: int = 1
    smallest_box: float = 0.0

    @property
    def has_anchors(self) -> bool:
        """Whether the head has anchors that can be chosen."""
        return self.builder is None and HEADS[self.head].anchored


# name -> () -> a module with the `channels` and `strides` of its features, finest level first
BACKBONES: dict[str, Callable[[], Any]] = {
    "darknet_tiny": DarknetTiny,
    "darknet53": Darknet53,
    "csp_darknet53": CSPDarknet53,
    "csp_darknet53_tiny": CSPDarknet53Tiny,
    "csp_darknet_nano": partial(CSPDarknet, 0.33, 0.25, separable=True),
    "csp_darknet_tiny": partial(CSPDarknet, 0.33, 0.375),
    "csp_darknet_s": partial(CSPDarknet, 0.33, 0.5),
    "csp_darknet_m": partial(CSPDarknet, 0.67, 0.75),
    "csp_darknet_l": partial(CSPDarknet, 1.0, 1.0),
    "csp_darknet_x": partial(CSPDarknet, 1.33, 1.25),
    "gelan_t": partial(GELAN, (16, 32), (32, 64, 96, 128), depth=3, simple=True),
    "gelan_s": partial(GELAN, (32, 64), (64, 128, 192, 256), depth=3, simple=True),
    "gelan_m": partial(GELAN, (32, 64), (128, 240, 360, 480)),
    "gelan_c": partial(GELAN, (64, 128), (256, 512, 512, 512), (128, 256, 512, 512), split_down=True),
}

# name -> (channels of the backbone) -> a module with the `channels` of its features
NECKS: dict[str, Callable[[Sequence[int]], Any]] = {
    "tiny_fpn": TinyFPN,
    "yolov3_fpn": YOLOv3FPN,
    "yolov4_pan": YOLOv4PAN,
    "pafpn_nano": partial(PAFPN, depth=0.33, separable=True),
    "pafpn_s": partial(PAFPN, depth=0.33),
    "pafpn_m": partial(PAFPN, depth=0.67),
    "pafpn_l": partial(PAFPN, depth=1.0),
    "pafpn_x": partial(PAFPN, depth=1.33),
    "gelan_pan_t": partial(GELANPAN, widths=(64, 96, 128), downs=(48, 64), depth=3),
    "gelan_pan_s": partial(GELANPAN, widths=(128, 192, 256), downs=(96, 128), depth=3),
    "gelan_pan_m": partial(GELANPAN, widths=(240, 360, 480), downs=(184, 240)),
    "gelan_pan_c": partial(GELANPAN, widths=(256, 512, 512), downs=(256, 512), split_down=True),
}


def _anchor_family(**options: Any) -> HeadFamily:
    return HeadFamily(partial(AnchorHead, **options), anchor_loss, anchor_head.decode_anchors, anchored=True)


HEADS: dict[str, HeadFamily] = {
    "anchors": _anchor_family(),
    "anchors_tiny": _anchor_family(hidden=(256, 512)),
    "anchors_v4": _anchor_family(centre_scales=(1.2, 1.1, 1.05)),
    "anchors_v4_tiny": _anchor_family(hidden=(256, 512), centre_scales=(1.05, 1.05)),
    "yolox": HeadFamily(YOLOXHead, yolox_loss, yolox_head.decode_yolox),
    "yolox_nano": HeadFamily(partial(YOLOXHead, separable=True), yolox_loss, yolox_head.decode_yolox),
    "dfl": HeadFamily(DFLHead, dfl_loss, dfl_head.decode_dfl),
    "dfl_nano": HeadFamily(partial(DFLHead, separable=True), dfl_loss, dfl_head.decode_dfl),
    "dfl_yolov9": HeadFamily(YOLOv9Head, dfl_loss, dfl_head.decode_dfl),
}

_DARKNET = PixelFormat(pad_value=128)
_YOLOX = PixelFormat(channels="bgr", scale=1.0, pad_centred=False)
_YOLOV9 = PixelFormat()
_VGG = PixelFormat(mean=(0.48235, 0.45882, 0.40784), std=(1 / 255, 1 / 255, 1 / 255), pad_centred=False)
_HALF = PixelFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), pad_centred=False)
_IMAGENET = PixelFormat(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), pad_centred=False)

_PRESETS = (
    Preset("yolov3", (416, 416), _DARKNET, "darknet53", "yolov3_fpn", "anchors", YOLOV3_ANCHORS),
    Preset("yolov3_tiny", (416, 416), _DARKNET, "darknet_tiny", "tiny_fpn", "anchors_tiny", TINY_ANCHORS),
    Preset("yolov4", (608, 608), _DARKNET, "csp_darknet53", "yolov4_pan", "anchors_v4", YOLOV4_ANCHORS),
    Preset(
        "yolov4_tiny", (416, 416), _DARKNET, "csp_darknet53_tiny", "tiny_fpn", "anchors_v4_tiny", TINY_ANCHORS
    ),
    Preset("yolox_nano", (416, 416), _YOLOX, "csp_darknet_nano", "pafpn_nano", "yolox_nano"),
    Preset("yolox_tiny", (416, 416), _YOLOX, "csp_darknet_tiny", "pafpn_s", "yolox"),
    Preset("yolox_s", (640, 640), _YOLOX, "csp_darknet_s", "pafpn_s", "yolox"),
    Preset("yolox_m", (640, 640), _YOLOX, "csp_darknet_m", "pafpn_m", "yolox"),
    Preset("yolox_l", (640, 640), _YOLOX, "csp_darknet_l", "pafpn_l", "yolox"),
    Preset("yolox_x", (640, 640), _YOLOX, "csp_darknet_x", "pafpn_x", "yolox"),
    Preset("yolov9_t", (640, 640), _YOLOV9, "gelan_t", "gelan_pan_t", "dfl_yolov9"),
    Preset("yolov9_s", (640, 640), _YOLOV9, "gelan_s", "gelan_pan_s", "dfl_yolov9"),
    Preset("yolov9_m", (640, 640), _YOLOV9, "gelan_m", "gelan_pan_m", "dfl_yolov9"),
    Preset("yolov9_c", (640, 640), _YOLOV9, "gelan_c", "gelan_pan_c", "dfl_yolov9"),
    Preset("ssd300_vgg16", (300, 300), _VGG, builder=ssd300, smallest=268, smallest_box=0.07),
    Preset("ssdlite320", (320, 320), _HALF, builder=ssdlite320, smallest_box=0.2),
    Preset("fasterrcnn", (800, 800), _IMAGENET, builder=fasterrcnn),
    Preset("retinanet", (800, 800), _IMAGENET, builder=retinanet),
    Preset("fcos", (800, 800), _IMAGENET, builder=fcos),
)
ZOO: dict[str, Preset] = {entry.name: entry for entry in _PRESETS}
