"""torchvision's own detectors, as their published checkpoints have them, but with random weights."""

import torch
from torch import nn
from torchvision.models import detection, resnet50
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.faster_rcnn import FasterRCNN
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

FRESH = {"weights": None, "weights_backbone": None, "num_classes": 91}
FIXED_SIZE = {"ssd300_vgg16": 300, "ssdlite320": 320}  # these resize every image to a square
UNUSED = [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83]  # background, and numbers that COCO skips
FPN_SIZE = 128


def image_size(name):
    """Height and width that the network of `random_model` takes without resizing."""
    side = FIXED_SIZE.get(name, FPN_SIZE)
    return side, side


def random_model(name, seed=0):
    """torchvision's network in evaluation, for 91 classes; every tensor is such that a mistake would show."""
    torch.manual_seed(seed)
    model = BUILDERS[name]()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
                module.weight.uniform_(0.2, 0.8)
                module.running_var.uniform_(0.5, 1.5)
                module.running_mean.normal_(0, 0.1)
            elif isinstance(module, nn.Conv2d) and name == "ssdlite320":
                nn.init.kaiming_normal_(module.weight)  # its own would let nothing of the image through
            if getattr(module, "bias", None) is not None:
                module.bias.normal_(0, 0.1)
    return model.eval()


def shortened(detector):
    """One of our detectors, made quick: one block in each stage of a ResNet, few proposals to learn from."""
    for stage in getattr(getattr(detector.backbone, "body", None), "values", tuple)():
        if isinstance(stage, nn.Sequential):
            del stage[1:]
    if hasattr(detector.head, "roi_heads"):
        detector.head.roi_heads.fg_bg_sampler.batch_size_per_image = 32
    return detector


def silence_unused_classes(model):
    """As training does, with classes that no image shows: softmax gives them nothing."""
    for key, value in model.state_dict().items():
        if key.endswith("cls_score.bias"):
            value[UNUSED[1:]] = -1e4
        elif "classification_head.module_list" in key and key.endswith("bias") and len(value) % 91 == 0:
            value.view(-1, 91)[:, UNUSED[1:]] = -1e4


def _frozen_resnet(**options):
    backbone = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    return _resnet_fpn_extractor(backbone, 5, **options)


def _without_eps(model):
    overwrite_eps(model, 0.0)  # what torchvision does when it loads these two published checkpoints
    return model


_SIZES = {"min_size": FPN_SIZE, "max_size": FPN_SIZE}
BUILDERS = {
    "ssd300_vgg16": lambda: detection.ssd300_vgg16(**FRESH),
    "ssdlite320": lambda: detection.ssdlite320_mobilenet_v3_large(**FRESH),
    "fcos": lambda: detection.fcos_resnet50_fpn(**FRESH, **_SIZES),
    "fasterrcnn": lambda: _without_eps(FasterRCNN(_frozen_resnet(), 91, **_SIZES)),
    "retinanet": lambda: _without_eps(
        RetinaNet(
            _frozen_resnet(returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256)), 91, **_SIZES
        )
    ),
}
