"""The networks go through torch.compile without a graph break, and through torch.export."""

import pytest
import torch
from torch import nn

from nets import ZOO, build_detector, preset
from tests.nets.batches import random_images, targets
from tests.nets.published.torchvision_models import shortened

TWO_STAGES = "fasterrcnn"
# Other sizes of networks that are traced here: two minutes in all.
SIZES = ("yolox_tiny", "yolox_m", "yolox_l", "yolox_x", "yolov9_s", "yolov9_m")
# With the heads that they are named with, and one with another.
TRACED = (
    *(
        pytest.param((name, None), marks=[pytest.mark.slow] if name in SIZES else [])
        for name in ZOO
        if name != TWO_STAGES
    ),
    ("yolov4_tiny", "dfl"),
)


@pytest.fixture(scope="module", params=TRACED, ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def detector(case):
    torch._dynamo.reset()  # it gives up on a function that it has compiled for several detectors
    return traced_detector(*case)


@pytest.fixture(scope="module")
def sides(case):
    """Height and width of the images."""
    side = max(64, preset(case[0]).smallest)
    return side, side + 32


def traced_detector(name, head=None):
    torch.manual_seed(0)
    return shortened(build_detector(name, 3, head=head)).eval()


def test_losses_compile_whole(detector, sides):
    batch = random_images(2, *sides), targets([(1, (8.0, 8.0, 40.0, 24.0))], [])
    compiled = torch.compile(detector.losses, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(*batch), detector.losses(*batch))


def test_decoding_compiles_whole(detector, sides):
    """The network itself is in the losses above; tracing it again takes long."""
    with torch.no_grad():
        raw = detector(random_images(1, *sides))
        compiled = torch.compile(detector.decode, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(raw), detector.decode(raw))


class Detect(nn.Module):
    """A module whose forward is `detect`: what export takes."""

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, images):
        return self.detector.detect(images)


def test_detect_exports_with_any_batch_size(detector, sides):
    sizes = {"images": {0: torch.export.Dim("batch", min=1, max=64)}}
    exported = torch.export.export(Detect(detector), (random_images(2, *sides),), dynamic_shapes=sizes)
    images = random_images(3, *sides, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(exported.module()(images), detector.detect(images))


def test_two_stages_compile_in_pieces():
    """How many boxes the first stage proposes depends on the values: no single graph, and no export."""
    detector, images = traced_detector(TWO_STAGES), random_images(1, 64, 64)
    compiled = torch.compile(detector.detect, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(images), detector.detect(images))
