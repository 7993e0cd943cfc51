"""torchvision's detectors as backbone, neck and head that answer our two calls.

Their layers are torchvision's own, with fresh weights; its published weights load into them
(`nets/published/torchvision.py`). Its resizing is left out: images come letterboxed, where the published
weights of SSD and SSDLite have seen them stretched to a square.

BatchNorm is plain, although torchvision freezes it (FrozenBatchNorm2d) where it starts from trained weights.
Frozen at fresh values it does nothing, so a run from scratch would have no normalisation at all; and the
names and shapes are the same, so one network serves both. From trained weights it stands still while the
backbone is frozen, and whenever a batch is one image.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import nn
from torchvision.models import detection

from nets.backbones.torchvision_backbones import Body, Chain
from nets.common.detector import Detector, SizedDetector
from nets.common.preprocess import PixelFormat
from nets.heads.anchors import anchor_grid, box_shares, default_boxes
from nets.heads.faster_rcnn import FasterRCNN, RCNNHead, decode_rcnn, losses_need_objects
from nets.heads.torchvision_heads import DenseHead, PointHead, decode_fcos, decode_retinanet, decode_ssd
from nets.losses.fcos_loss import fcos_loss
from nets.losses.ssd_retinanet_loss import retinanet_loss, ssd_loss
from nets.necks.torchvision_necks import FPN, ExtraLevels

FRESH: dict[str, Any] = {"weights": None, "weights_backbone": None}  # nothing is downloaded


def ssd300(num_classes: int, pixels: PixelFormat) -> Detector:
    """SSD on VGG16. https://arxiv.org/abs/1512.02325

    Any height and width from 268 pixels on will do; below, the coarsest level has no cell. The steps of the
    two coarsest levels are torchvision's 100 and 300 at 300 pixels, and follow the size of other inputs.
    """
    model: Any = detection.ssd300_vgg16(**FRESH, num_classes=num_classes + 1)
    generator, (deep, *extra) = model.anchor_generator, model.backbone.extra
    shares = box_shares(generator.scales, generator.aspect_ratios)
    lay = partial(default_boxes, shares=shares, steps=(*generator.steps[:4], None, None))
    backbone = Chain([model.backbone.features, deep], strides=(8, 16))
    neck = ExtraLevels(extra, model.backbone.scale_weight)
    return SizedDetector(backbone, neck, DenseHead(model.head, lay), ssd_loss, decode_ssd, pixels, stride=1)


def ssdlite320(num_classes: int, pixels: PixelFormat) -> Detector:
    """SSDLite on MobileNetV3. https://arxiv.org/abs/1801.04381 and https://arxiv.org/abs/1905.02244"""
    model: Any = detection.ssdlite320_mobilenet_v3_large(**FRESH, num_classes=num_classes + 1)
    generator = model.anchor_generator
    shares = box_shares(generator.scales, generator.aspect_ratios)
    lay = partial(default_boxes, shares=shares, steps=(None,) * len(shares))
    _start_learning_at_once(model)
    backbone, neck = Chain(model.backbone.features, strides=(16, 32)), ExtraLevels(model.backbone.extra)
    return SizedDetector(backbone, neck, DenseHead(model.head, lay), ssd_loss, decode_ssd, pixels, stride=32)


def retinanet(num_classes: int, pixels: PixelFormat) -> Detector:
    """RetinaNet on ResNet-50. https://arxiv.org/abs/1708.02002"""
    model: Any = detection.retinanet_resnet50_fpn(**FRESH, num_classes=num_classes)
    head = DenseHead(model.head, partial(anchor_grid, halves=_halves(model.anchor_generator)))
    parts = *_resnet_fpn(model, strides=(8, 16, 32)), head
    return SizedDetector(*parts, retinanet_loss, decode_retinanet, pixels, stride=32)


def fcos(num_classes: int, pixels: PixelFormat) -> Detector:
    """FCOS on ResNet-50. https://arxiv.org/abs/1904.01355"""
    model: Any = detection.fcos_resnet50_fpn(**FRESH, num_classes=num_classes)
    head = PointHead(model.head, partial(anchor_grid, halves=_halves(model.anchor_generator)))
    parts = *_resnet_fpn(model, strides=(8, 16, 32)), head
    return SizedDetector(*parts, fcos_loss, decode_fcos, pixels, stride=32)


def fasterrcnn(num_classes: int, pixels: PixelFormat) -> Detector:
    """Faster R-CNN on ResNet-50, the first version. https://arxiv.org/abs/1506.01497

    torchvision's second version is better (COCO AP 46.7 instead of 37.0), but takes twice the work (280
    instead of 134 G multiply-adds at 800 pixels); the first is what papers compare with, and what its
    RetinaNet and FCOS here, of the same recipe, compare with.
    """
    model: Any = detection.fasterrcnn_resnet50_fpn(**FRESH, num_classes=num_classes + 1)
    head = RCNNHead(model.rpn, model.roi_heads, _halves(model.rpn.anchor_generator))
    parts = *_resnet_fpn(model, strides=(4, 8, 16, 32)), head
    return FasterRCNN(*parts, losses_need_objects, decode_rcnn, pixels, stride=32)


def _start_learning_at_once(model: nn.Module) -> None:
    """Let BatchNorm's averages fit early: evaluation uses them.

    torchvision starts MobileNet's convolutions here with a deviation of 0.03, which makes features ever
    smaller, and moves the averages by 0.03 a step. From scratch on the 205 images of BCCD at 192 pixels,
    two epochs reached AP50 .031 so, .030 with averages that move by 0.1, and .117 with convolutions besides
    that keep the features' deviation (https://arxiv.org/abs/1502.01852).
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
        elif isinstance(layer, nn.Conv2d) and layer.bias is None:  # all that BatchNorm follows
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _resnet_fpn(model: Any, strides: Sequence[int]) -> tuple[Body, FPN]:
    return Body(model.backbone.body, strides), FPN(model.backbone.fpn)


def _halves(generator: Any) -> list[list[list[float]]]:
    """Half the widths and heights of a cell's anchors, level by level: they stand around its corner."""
    return [cell[:, 2:].tolist() for cell in generator.cell_anchors]


class Whole(NamedTuple):
    """A detector whose parts cannot be exchanged; the fields are those of a `Preset`."""

    build: Callable[[int, PixelFormat], Detector]
    image_size: tuple[int, int]
    pixels: PixelFormat
    smallest: int = 1
    smallest_box: float = 0.0


_IMAGENET = PixelFormat(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), pad_centred=False)
_VGG = PixelFormat(mean=(0.48235, 0.45882, 0.40784), std=(1 / 255, 1 / 255, 1 / 255), pad_centred=False)
_HALF = PixelFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), pad_centred=False)

WHOLE: dict[str, Whole] = {
    "ssd300_vgg16": Whole(ssd300, (300, 300), _VGG, smallest=268, smallest_box=0.07),
    "ssdlite320": Whole(ssdlite320, (320, 320), _HALF, smallest_box=0.2),
    "fasterrcnn": Whole(fasterrcnn, (800, 800), _IMAGENET),
    "retinanet": Whole(retinanet, (800, 800), _IMAGENET),
    "fcos": Whole(fcos, (800, 800), _IMAGENET),
}
