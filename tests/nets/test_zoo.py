"""Every detector of the zoo: the small ones with numbers, the large ones for their shapes."""

import copy
import hashlib

import pytest
import torch

from nets import ZOO, build_detector, preset
from nets.detector import PARTS
from nets.structures import Targets
from nets.yolox_head import decode
from nets.yolox_loss import yolox_loss
from tests.nets.batches import pictures, targets

SMALL = ("yolox_nano", "yolox_tiny")
COMPONENTS = {"box", "objectness", "class", "l1"}
# Nearly the boxes that cells (1, 1), (3, 1) and (1, 1) of the three levels propose where all outputs are 0.
ONE_A_LEVEL = [(0, (4.0, 4.0, 13.0, 12.0)), (1, (40.0, 8.0, 57.0, 24.0)), (2, (16.0, 16.0, 50.0, 48.0))]


@pytest.fixture(scope="module", params=SMALL)
def detector(request):
    torch.manual_seed(0)
    return build_detector(request.param, 3)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_detect_gives_a_box_and_scores_for_each_cell(detector, height, width):
    found = detector.eval().detect(pictures(2, height, width))
    cells = sum(height // s * (width // s) for s in (8, 16, 32))
    assert found.boxes.shape == (2, cells, 4) and found.scores.shape == (2, cells, 3)
    assert found.boxes.dtype == found.scores.dtype == torch.float32
    assert (found.boxes[..., 2:] > found.boxes[..., :2]).all()
    assert (found.scores >= 0).all() and (found.scores <= 1).all()


@pytest.mark.parametrize("objects", [ONE_A_LEVEL, []], ids=["objects", "empty"])
def test_losses_are_finite(detector, objects):
    losses = detector.train().losses(pictures(2, 64, 64), targets(objects, []))
    assert losses.keys() == COMPONENTS
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    if not objects:
        assert losses["objectness"] > 0 and not any(losses[k] for k in COMPONENTS - {"objectness"})


def test_every_parameter_learns(detector):
    detector = copy.deepcopy(detector).train()
    for conv in detector.head.box_preds:  # so that each level gets an object, whatever the features are
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    losses = detector.losses(pictures(2, 64, 64), targets(ONE_A_LEVEL, ONE_A_LEVEL[:2]))
    sum(losses.values()).backward()
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_objects_gradients_are_finite_too(detector):
    detector.train().zero_grad()
    sum(detector.losses(pictures(1, 64, 64), targets([])).values()).backward()
    assert all(p.grad.isfinite().all() for p in detector.parameters())


def test_a_batch_gives_what_single_pictures_give(detector):
    images = pictures(3, 64, 96)
    with torch.no_grad():
        together = detector.eval().detect(images)
        for number in range(3):
            alone = detector.detect(images[number : number + 1])
            torch.testing.assert_close(together.boxes[number], alone.boxes[0], rtol=1e-4, atol=1e-3)
            torch.testing.assert_close(together.scores[number], alone.scores[0], rtol=1e-4, atol=1e-6)


def test_saved_and_loaded_is_the_same(detector, tmp_path):
    name = "yolox_nano" if sum(p.numel() for p in detector.parameters()) < 2e6 else "yolox_tiny"
    torch.save(detector.state_dict(), tmp_path / "weights.pt")
    other = build_detector(name, 3).eval()
    images = pictures(1, 64, 64)
    with torch.no_grad():
        assert not torch.equal(other.detect(images).scores, detector.eval().detect(images).scores)
        other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        assert all(map(torch.equal, other.detect(images), detector.detect(images)))


@pytest.mark.parametrize("name", ZOO)
def test_shapes_and_no_wait_for_the_device(name):
    """On the meta device there are no numbers: to read one back to the host would fail."""
    height, width = preset(name).image_size
    with torch.device("meta"):
        detector = build_detector(name, 80)
        images = torch.empty(2, 3, height, width, dtype=torch.uint8)
        wanted = Targets(
            torch.empty(2, 7, 4),
            torch.empty(2, 7, dtype=torch.int64),
            torch.empty(2, 7, dtype=torch.bool),
        )
        raw = detector(images)
        losses = yolox_loss(raw, wanted)
        found = decode(raw)
    cells = sum(height // s * (width // s) for s in (8, 16, 32))
    assert found.boxes.shape == (2, cells, 4) and found.scores.shape == (2, cells, 80)
    assert losses.keys() == COMPONENTS and all(loss.shape == () for loss in losses.values())


def test_parts_are_all_there_is():
    with torch.device("meta"):
        detector = build_detector("yolox_nano", 3)
    assert tuple(name for name, _ in detector.named_children()) == PARTS
    assert {name.split(".")[0] for name in detector.state_dict()} == set(PARTS)
    assert detector.stride == 32


# Weights that users have trained are found under these names: a change of one orphans them all.
FROZEN_KEYS = {
    "yolox_nano": (642, "1c18ffb950cbb6bf"),
    "yolox_s": (462, "33ce667b1d73b9fc"),
}


@pytest.mark.parametrize("name", FROZEN_KEYS)
def test_names_and_shapes_of_tensors_are_frozen(name):
    with torch.device("meta"):
        state = build_detector(name, 80).state_dict()
    listed = "\n".join(f"{key} {list(value.shape)}" for key, value in state.items())
    assert (len(state), hashlib.sha256(listed.encode()).hexdigest()[:16]) == FROZEN_KEYS[name]
    assert "backbone.stage4.1.merge.conv.weight" in state and "head.class_preds.2.bias" in state


def test_a_fresh_network_finds_little():
    """The bias of classes and objectness starts at one in a hundred: .01 * .01 together."""
    torch.manual_seed(0)
    with torch.no_grad():
        scores = build_detector("yolox_nano", 3).eval().detect(pictures(1, 64, 64)).scores
    assert scores.median().item() == pytest.approx(1e-4, rel=0.5)


def test_wrong_names_and_numbers_are_refused():
    with pytest.raises(ValueError, match=r"no model 'yolo5'; --model takes one of: yolox_nano, .*yolox_x"):
        build_detector("yolo5", 3)
    with pytest.raises(ValueError, match="at least one class, not 0"):
        build_detector("yolox_nano", 0)
