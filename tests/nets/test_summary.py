"""Parameters and operations beside the figures that papers, repositories and torchvision publish."""

import pytest
import torch

from nets import ZOO, build_detector, preset
from nets.summary import summarise

PUBLISHED = {  # millions of parameters, 1e9 operations at the size of the zoo
    "yolov3": (61.9, 65.9),
    "yolov3_tiny": (8.85, 5.6),
    "yolov4": (64.4, 128.5),
    "yolov4_tiny": (6.06, 6.9),
    "yolox_nano": (0.91, 1.08),
    "yolox_tiny": (5.06, 6.45),
    "yolox_s": (9.0, 26.8),
    "yolox_m": (25.3, 73.8),
    "yolox_l": (54.2, 155.6),
    "yolox_x": (99.1, 281.9),
    # torchvision counts multiply and add as one, and for ResNet no parameters of BatchNorm, 0.05 M.
    "ssd300_vgg16": (35.64, 2 * 34.858),
    "ssdlite320": (3.44, 2 * 0.583),
    "fasterrcnn": (41.76, 2 * 134.38),
    "retinanet": (34.01, 2 * 151.54),
    "fcos": (32.27, 2 * 128.207),
}
# Rows for classes that the figures go with: torchvision's detectors have 91, background among them or not.
CLASSES = dict.fromkeys(("ssd300_vgg16", "ssdlite320", "fasterrcnn"), 90) | dict.fromkeys(
    ("retinanet", "fcos"), 91
)
BATCH_NORM_COUNTS = (
    "ssdlite320",
)  # thin layers: normalising is 3 % of the work, and torchvision leaves it out
WITHOUT_NUMBERS = [name for name in PUBLISHED if name != "fasterrcnn"]


def test_every_model_has_a_published_figure():
    assert PUBLISHED.keys() == ZOO.keys()


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_size_and_work_are_as_published(name):
    with torch.device("meta"):
        detector = build_detector(name, CLASSES.get(name, 80))
    found = summarise(detector, preset(name).image_size)
    millions, gflops = PUBLISHED[name]
    assert sum(found.parameters.values()) / 1e6 == pytest.approx(millions, rel=0.01)
    off = 0.04 if name in BATCH_NORM_COUNTS else 0.01
    assert sum(found.gflops.values()) == pytest.approx(gflops, rel=off)


def test_work_of_two_stages_is_as_published():
    """Counted on a small picture; at 800 pixels there are as many more cells, and 1000 proposals."""
    torch.manual_seed(0)
    detector = build_detector("fasterrcnn", CLASSES["fasterrcnn"])
    small = 128
    found = summarise(detector, (small, small))
    proposals = detector.eval()(torch.zeros(1, 3, small, small, dtype=torch.uint8)).proposals.shape[1]
    of_proposal = 2 * 1024 * (256 * 7 * 7 + 1024 + 91 * 5) / 1e9
    of_cells = sum(found.gflops.values()) - proposals * of_proposal
    millions, gflops = PUBLISHED["fasterrcnn"]
    assert sum(found.parameters.values()) / 1e6 == pytest.approx(millions, rel=0.01)
    assert of_cells * (800 / small) ** 2 + 1000 * of_proposal == pytest.approx(gflops, rel=0.01)


def test_counting_with_numbers_and_without_agrees_and_changes_nothing():
    torch.manual_seed(0)
    detector = build_detector("yolox_nano", 3).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    found = summarise(detector, (64, 96))
    with torch.device("meta"):
        assert summarise(build_detector("yolox_nano", 3), (64, 96)) == found
    assert detector.training
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_stem_by_hand():
    """The stem of nano: Focus gives 12 channels at half the size, a 3 x 3 convolution makes 16 of them.

    64 x 64 -> 32 x 32 cells; 2 * 12 * 16 * 9 operations a cell, and 4 * 16 for BatchNorm.
    """
    detector = build_detector("yolox_nano", 3)
    detector.backbone = _Part(detector.backbone.stem)
    detector.neck, detector.head = _Part(None), _Part(None)
    found = summarise(detector, (64, 64))
    assert found.parameters == {"backbone": 12 * 16 * 9 + 2 * 16, "neck": 0, "head": 0}
    assert found.gflops["backbone"] * 1e9 == pytest.approx(32 * 32 * (2 * 12 * 16 * 9 + 4 * 16))


class _Part(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x if self.inner is None else self.inner(x)
