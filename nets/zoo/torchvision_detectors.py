"""torchvision's detectors, built as a backbone, a neck and a head.

The layers are torchvision's, randomly initialised; torchvision's published weights can be loaded into them
(`nets/published/torchvision.py`). torchvision's resizing is not used: images are letterboxed, although the
published weights of SSD and SSDLite were trained on images stretched to a square.

BatchNorm is the ordinary one, although torchvision freezes it (FrozenBatchNorm2d) when starting from
pretrained weights. Frozen at its initial values, it would do nothing, so training from scratch would have no
normalisation at all; names and shapes are equal, so one network serves both cases. With pretrained weights,
BatchNorm does not change while the backbone is frozen, or if a batch is one image.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

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
    """Build SSD with VGG16. https://arxiv.org/abs/1512.02325

    Takes any height and width of at least 268 pixels; below that, the coarsest level has no cell. The steps
    of the two coarsest levels are torchvision's 100 and 300 at 300 pixels, and scale with the input.
    """
    model: Any = detection.ssd300_vgg16(**FRESH, num_classes=num_classes + 1)
    generator, (deep, *extra) = model.anchor_generator, model.backbone.extra
    shares = box_shares(generator.scales, generator.aspect_ratios)
    make_anchors = partial(default_boxes, shares=shares, steps=(*generator.steps[:4], None, None))
    backbone = Chain([model.backbone.features, deep], strides=(8, 16))
    neck = ExtraLevels(extra, model.backbone.scale_weight)
    head = DenseHead(model.head, make_anchors)
    return SizedDetector(backbone, neck, head, ssd_loss, decode_ssd, pixels, stride=1)


def ssdlite320(num_classes: int, pixels: PixelFormat) -> Detector:
    """Build SSDLite with MobileNetV3. https://arxiv.org/abs/1801.04381 and https://arxiv.org/abs/1905.02244"""
    model: Any = detection.ssdlite320_mobilenet_v3_large(**FRESH, num_classes=num_classes + 1)
    generator = model.anchor_generator
    shares = box_shares(generator.scales, generator.aspect_ratios)
    make_anchors = partial(default_boxes, shares=shares, steps=(None,) * len(shares))
    _initialise_for_scratch(model)
    backbone = Chain(model.backbone.features, strides=(16, 32))
    neck = ExtraLevels(model.backbone.extra)
    head = DenseHead(model.head, make_anchors)
    return SizedDetector(backbone, neck, head, ssd_loss, decode_ssd, pixels, stride=32)


def retinanet(num_classes: int, pixels: PixelFormat) -> Detector:
    """Build RetinaNet with ResNet-50. https://arxiv.org/abs/1708.02002"""
    model: Any = detection.retinanet_resnet50_fpn(**FRESH, num_classes=num_classes)
    backbone, neck = _resnet_fpn(model, strides=(8, 16, 32))
    head = DenseHead(model.head, partial(anchor_grid, halves=_halves(model.anchor_generator)))
    return SizedDetector(backbone, neck, head, retinanet_loss, decode_retinanet, pixels, stride=32)


def fcos(num_classes: int, pixels: PixelFormat) -> Detector:
    """Build FCOS with ResNet-50. https://arxiv.org/abs/1904.01355"""
    model: Any = detection.fcos_resnet50_fpn(**FRESH, num_classes=num_classes)
    backbone, neck = _resnet_fpn(model, strides=(8, 16, 32))
    head = PointHead(model.head, partial(anchor_grid, halves=_halves(model.anchor_generator)))
    return SizedDetector(backbone, neck, head, fcos_loss, decode_fcos, pixels, stride=32)


def fasterrcnn(num_classes: int, pixels: PixelFormat) -> Detector:
    """Build Faster R-CNN with ResNet-50, torchvision's first version. https://arxiv.org/abs/1506.01497

    The second version is better (COCO AP 46.7 instead of 37.0), but takes twice the operations (280 instead
    of 134 G multiply-adds at 800 pixels). Papers compare with the first version, and the RetinaNet and FCOS
    here have the same training recipe as the first.
    """
    model: Any = detection.fasterrcnn_resnet50_fpn(**FRESH, num_classes=num_classes + 1)
    backbone, neck = _resnet_fpn(model, strides=(4, 8, 16, 32))
    head = RCNNHead(model.rpn, model.roi_heads, _halves(model.rpn.anchor_generator))
    return FasterRCNN(backbone, neck, head, losses_need_objects, decode_rcnn, pixels, stride=32)


def _initialise_for_scratch(model: nn.Module) -> None:
    """Initialise MobileNet so that BatchNorm's running statistics, used in evaluation, are accurate early.

    torchvision initialises the convolutions with a standard deviation of 0.03, which shrinks the features
    from layer to layer, and BatchNorm's momentum is 0.03. From scratch on the 205 images of BCCD at 192
    pixels, two epochs reached AP50 .031 with both, .030 with a momentum of 0.1, and .117 with this momentum
    and an initialisation that keeps the features' deviation (https://arxiv.org/abs/1502.01852).
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
        elif isinstance(layer, nn.Conv2d) and layer.bias is None:  # convolutions before a BatchNorm
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def _resnet_fpn(model: Any, strides: Sequence[int]) -> tuple[Body, FPN]:
    return Body(model.backbone.body, strides), FPN(model.backbone.fpn)


def _halves(generator: Any) -> list[list[list[float]]]:
    """Return half the widths and heights of a cell's anchors, per level; the anchors are centred on 0."""
    return [cell[:, 2:].tolist() for cell in generator.cell_anchors]
