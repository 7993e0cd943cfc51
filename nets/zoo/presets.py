"""The zoo as tables: which parts make which detector. A new network is one entry here and its parts."""

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
from nets.common.structures import Candidates
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
from nets.zoo.torchvision_presets import WHOLE


class HeadFamily(NamedTuple):
    """A head, with the loss and the decoder that know what its raw outputs mean.

    build     (channels, strides, num_classes) -> the head; `anchors=` too where it has anchors
    loss      (raw, targets, settings: LossSettings) -> losses by component
    anchored  whether it has anchors
    """

    build: Callable[..., nn.Module]
    loss: Callable[..., dict[str, Tensor]]
    decode: Callable[[Any], Candidates]
    anchored: bool = False


class Preset(NamedTuple):
    """One named detector: its parts by their names in the tables, and what its published figures go with.

    image_size  height and width that they are given for
    pixels      what the network expects of pixels
    anchors     of a head with anchors; None for the head's own
    whole       (number of classes, pixels) -> the detector, where its parts cannot be exchanged; the names of
                its parts are then empty
    smallest    the least height and width of an input
    smallest_box  of boxes that are laid over the input in proportion to it, the least side as a share of the
                input's; 0 for the others
    """

    name: str
    backbone: str
    neck: str
    head: str
    image_size: tuple[int, int]
    pixels: PixelFormat
    anchors: Anchors | None = None
    whole: Callable[[int, PixelFormat], Detector] | None = None
    smallest: int = 1
    smallest_box: float = 0.0

    @property
    def has_anchors(self) -> bool:
        """Whether it has a head whose anchors can be chosen."""
        return self.whole is None and HEADS[self.head].anchored


# name -> () -> a module with `channels` and `strides`, finest level first
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

# name -> (channels of the backbone) -> a module with `channels` of its own
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


def _anchored(**options: Any) -> HeadFamily:
    return HeadFamily(partial(AnchorHead, **options), anchor_loss, anchor_head.decode_anchors, anchored=True)


HEADS: dict[str, HeadFamily] = {
    "anchors": _anchored(),
    "anchors_tiny": _anchored(hidden=(256, 512)),
    "anchors_v4": _anchored(centre_scales=(1.2, 1.1, 1.05)),
    "anchors_v4_tiny": _anchored(hidden=(256, 512), centre_scales=(1.05, 1.05)),
    "yolox": HeadFamily(YOLOXHead, yolox_loss, yolox_head.decode_yolox),
    "yolox_nano": HeadFamily(partial(YOLOXHead, separable=True), yolox_loss, yolox_head.decode_yolox),
    "dfl": HeadFamily(DFLHead, dfl_loss, dfl_head.decode_dfl),
    "dfl_nano": HeadFamily(partial(DFLHead, separable=True), dfl_loss, dfl_head.decode_dfl),
    "dfl_yolov9": HeadFamily(YOLOv9Head, dfl_loss, dfl_head.decode_dfl),
}

_DARKNET = PixelFormat(pad_value=128)
_YOLOX = PixelFormat(channels="bgr", scale=1.0, pad_centred=False)
_YOLOV9 = PixelFormat()

_PRESETS = (
    Preset("yolov3", "darknet53", "yolov3_fpn", "anchors", (416, 416), _DARKNET, YOLOV3_ANCHORS),
    Preset("yolov3_tiny", "darknet_tiny", "tiny_fpn", "anchors_tiny", (416, 416), _DARKNET, TINY_ANCHORS),
    Preset("yolov4", "csp_darknet53", "yolov4_pan", "anchors_v4", (608, 608), _DARKNET, YOLOV4_ANCHORS),
    Preset(
        "yolov4_tiny", "csp_darknet53_tiny", "tiny_fpn", "anchors_v4_tiny", (416, 416), _DARKNET, TINY_ANCHORS
    ),
    Preset("yolox_nano", "csp_darknet_nano", "pafpn_nano", "yolox_nano", (416, 416), _YOLOX),
    Preset("yolox_tiny", "csp_darknet_tiny", "pafpn_s", "yolox", (416, 416), _YOLOX),
    Preset("yolox_s", "csp_darknet_s", "pafpn_s", "yolox", (640, 640), _YOLOX),
    Preset("yolox_m", "csp_darknet_m", "pafpn_m", "yolox", (640, 640), _YOLOX),
    Preset("yolox_l", "csp_darknet_l", "pafpn_l", "yolox", (640, 640), _YOLOX),
    Preset("yolox_x", "csp_darknet_x", "pafpn_x", "yolox", (640, 640), _YOLOX),
    Preset("yolov9_t", "gelan_t", "gelan_pan_t", "dfl_yolov9", (640, 640), _YOLOV9),
    Preset("yolov9_s", "gelan_s", "gelan_pan_s", "dfl_yolov9", (640, 640), _YOLOV9),
    Preset("yolov9_m", "gelan_m", "gelan_pan_m", "dfl_yolov9", (640, 640), _YOLOV9),
    Preset("yolov9_c", "gelan_c", "gelan_pan_c", "dfl_yolov9", (640, 640), _YOLOV9),
    *(
        Preset(
            *(name, "", "", "", whole.image_size, whole.pixels),
            whole=whole.build,
            smallest=whole.smallest,
            smallest_box=whole.smallest_box,
        )
        for name, whole in WHOLE.items()
    ),
)
ZOO: dict[str, Preset] = {entry.name: entry for entry in _PRESETS}
