"""Every detector of the zoo: small ones with numbers, large ones by shapes."""

import copy
import hashlib

import pytest
import torch

from nets import (
    BACKBONES,
    HEADS,
    NECKS,
    ZOO,
    LossSettings,
    build,
    build_detector,
    parts_of,
    preset,
    stride_of,
    strides_of,
)
from nets.common.detector import PARTS
from nets.common.structures import Targets
from nets.heads.anchor_head import YOLOV3_ANCHORS
from tests.nets.batches import random_images, targets
from tests.nets.published.torchvision_models import shortened

# Those that a test can afford to run; of torchvision's on ResNet-50 the three differ in their heads.
SMALL = (
    "yolox_nano",
    "yolox_tiny",
    "yolov3_tiny",
    "yolov4_tiny",
    "yolov9_t",
    "ssdlite320",
)
RUN = (*SMALL, "fasterrcnn", "retinanet", "fcos")
# The number of proposals depends on values, which has to wait for the device.
TWO_STAGES = ("fasterrcnn",)
# Components of the loss that are above 0 without objects.
OF_BACKGROUND = {
    "yolov9_t": {"class"},
    "ssdlite320": set(),
    "fasterrcnn": {"objectness", "class"},
    "retinanet": {"class"},
    "fcos": {"class"},
}
SOME = [(0, (4.0, 4.0, 13.0, 12.0)), (1, (40.0, 8.0, 57.0, 24.0)), (2, (16.0, 16.0, 50.0, 48.0))]


@pytest.fixture(scope="module", params=RUN)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def detector(name):
    torch.manual_seed(0)
    return shortened(build_detector(name, 3))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_detect_gives_boxes_and_scores(name, detector, height, width):
    found = detector.eval().detect(random_images(2, height, width))
    candidates = found.boxes.shape[1]
    assert found.boxes.shape == (2, candidates, 4) and found.scores.shape == (2, candidates, 3)
    assert found.boxes.dtype == found.scores.dtype == torch.float32
    assert (found.scores >= 0).all() and (found.scores <= 1).all()
    if ZOO[name].builder is None:
        cells = sum(height // s * (width // s) for s in detector.backbone.strides)
        assert candidates % cells == 0  # as many from each cell
        assert (found.boxes[..., 2:] > found.boxes[..., :2]).all()
    else:  # the highest-scoring ones, clipped to the borders
        assert 100 < candidates <= 1000
        assert (found.boxes[..., 2:] >= found.boxes[..., :2]).all() and found.boxes.min() >= 0
        assert (found.boxes.amax(dim=(0, 1)) <= torch.tensor([width, height, width, height])).all()


@pytest.mark.parametrize("objects", [SOME, []], ids=["objects", "empty"])
def test_losses_are_finite(name, detector, objects):
    losses = detector.train().losses(random_images(2, 64, 64), targets(objects, []))
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    if not objects:
        assert {key for key in losses if losses[key] > 0} == OF_BACKGROUND.get(name, {"objectness"})
        assert not any(losses[key] < 0 for key in losses)


def test_losses_in_evaluation_change_nothing(detector):
    """They are computed for validation data too, where BatchNorm must not change."""
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    with torch.inference_mode():
        losses = detector.eval().losses(random_images(2, 64, 64), targets(SOME, []))
    assert all(loss > 0 for loss in losses.values()) and not detector.training
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())


def propose_the_same_boxes(head):
    """All over a level, about as wide as a few cells: so each level gets an object, whatever the features."""
    for conv in getattr(head, "box_preds", ()):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    for conv in getattr(head, "distance_preds", ()):  # its bias makes boxes four cells wide
        torch.nn.init.normal_(conv.weight, std=1e-3)


def test_every_parameter_learns(detector):
    """With objects of many sizes and places, so that each level finds some."""
    detector = copy.deepcopy(detector).train()
    propose_the_same_boxes(detector.head)
    sizes = (9, 16, 24, 34, 48, 70, 100, 170, 250)
    objects = [
        (number % 3, (x, y, x + size, y + size))
        for number, size in enumerate(sizes)
        for x in (0.0, 130.0)
        for y in (0.0, 140.0)
    ]
    losses = detector.losses(random_images(2, 256, 256), targets(objects, SOME))
    sum(losses.values()).backward()
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_objects_gradients_are_finite_too(detector):
    detector.train().zero_grad()
    sum(detector.losses(random_images(2, 64, 64), targets([], [])).values()).backward()
    assert all(p.grad.isfinite().all() for p in detector.parameters() if p.grad is not None)


def test_a_batch_gives_what_single_images_give(name, detector):
    images = random_images(3, 64, 96)
    with torch.no_grad():
        together = detector.eval().detect(images)
        for number in range(3):
            alone = detector.detect(images[number : number + 1])
            if ZOO[name].builder is None:
                torch.testing.assert_close(together.boxes[number], alone.boxes[0], rtol=1e-4, atol=1e-3)
                torch.testing.assert_close(together.scores[number], alone.scores[0], rtol=1e-4, atol=1e-6)
            else:
                first, second = (listed(found, image) for found, image in ((together, number), (alone, 0)))
                assert_same_but_for_order(first, second)


def listed(found, image):
    """Label, score and box of each candidate of an image, without padding."""
    scores, labels = found.scores[image].max(dim=1)
    real = scores > 0
    return labels[real], scores[real], found.boxes[image, real]


def assert_same_but_for_order(first, second):
    """The best candidates of a fresh network score nearly the same: rounding decides which are the last."""
    most = min(len(scores) for _, scores, _ in (first, second))
    torch.testing.assert_close(first[1][:most], second[1][:most], rtol=1e-3, atol=1e-4)
    equal = (first[2].unsqueeze(1) - second[2]).abs().amax(dim=-1) < 0.01
    equal &= first[0].unsqueeze(1) == second[0]
    assert equal.any(dim=0).float().mean() > 0.97 and equal.any(dim=1).float().mean() > 0.97


@pytest.mark.parametrize("name", SMALL)
def test_saved_and_loaded_is_the_same(name, tmp_path):
    first, other = build_detector(name, 3).eval(), build_detector(name, 3).eval()
    with torch.no_grad():
        for parameter in first.parameters():  # fresh deep networks differ too little to be told apart
            parameter.add_(0.1 * torch.randn_like(parameter))
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    images = random_images(1, 64, 64)
    with torch.no_grad():
        assert not torch.equal(other.detect(images).scores, first.detect(images).scores)
        other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        assert all(map(torch.equal, other.detect(images), first.detect(images)))


@pytest.mark.parametrize("name", ZOO)
def test_shapes_and_no_wait_for_the_device(name):
    """Tensors on the meta device have no values: reading one back raises an error."""
    height, width = preset(name).image_size
    with torch.device("meta"):
        detector = build_detector(name, 80)
        images = torch.empty(2, 3, height, width, dtype=torch.uint8)
        wanted = Targets(
            torch.empty(2, 7, 4),
            torch.empty(2, 7, dtype=torch.int64),
            torch.empty(2, 7, dtype=torch.bool),
        )
        if name in TWO_STAGES:
            features, size = detector.features(images), (height, width)
            first = detector.head.first_stage(features, size)
            assert first.objectness.shape == (2 * len(first.anchors), 1) and sum(first.per_level) > 10_000
            return
        raw = detector(images)
        losses = detector.loss(raw, wanted)
        found = detector.decode(raw)
    candidates = found.boxes.shape[1]
    assert found.boxes.shape == (2, candidates, 4) and found.scores.shape == (2, candidates, 80)
    assert all(loss.shape == () for loss in losses.values())


@pytest.mark.parametrize("name", ZOO)
def test_parts_are_all_there_is(name):
    with torch.device("meta"):
        detector = build_detector(name, 3)
    assert tuple(part for part, _ in detector.named_children()) == PARTS
    assert {key.split(".")[0] for key in detector.state_dict()} == set(PARTS)
    assert detector.stride == stride_of(preset(name)) == (1 if name == "ssd300_vgg16" else 32)
    assert strides_of(preset(name)) == detector.backbone.strides


# Weights that users have trained are found under these names: a change of one orphans them all.
FROZEN_KEYS = {
    "yolox_nano": (642, "1c18ffb950cbb6bf"),
    "yolox_s": (462, "33ce667b1d73b9fc"),
    "yolov9_t": (1338, "a96ba6cac6ef1e22"),
}


@pytest.mark.parametrize("name", FROZEN_KEYS)
def test_names_and_shapes_of_tensors_are_frozen(name):
    with torch.device("meta"):
        state = build_detector(name, 80).state_dict()
    listed = "\n".join(f"{key} {list(value.shape)}" for key, value in state.items())
    assert (len(state), hashlib.sha256(listed.encode()).hexdigest()[:16]) == FROZEN_KEYS[name]
    assert "backbone.stage4.1.merge.conv.weight" in state and "head.class_preds.2.bias" in state


@pytest.mark.parametrize("name", [name for name in SMALL if ZOO[name].builder is None])
def test_a_fresh_network_finds_little(name):
    """The bias of classes and objectness starts at one in a hundred: .01 * .01 together.

    Where there is no objectness, at 5 objects of 3 classes on the 80 x 80 cells of a 640 x 640 image.
    """
    torch.manual_seed(0)
    detector = build_detector(name, 3).eval()
    with torch.no_grad():
        scores = detector.detect(random_images(1, 64, 64)).scores
    expected = 1e-4 if hasattr(detector.head, "objectness_preds") else 5 / (3 * 80 * 80)
    assert scores.median().item() == pytest.approx(expected, rel=0.5)


def test_wrong_names_and_numbers_are_refused():
    with pytest.raises(ValueError, match=r"no model 'yolo5'; --model takes one of: yolov3, .*yolox_x"):
        build_detector("yolo5", 3)
    with pytest.raises(ValueError, match="at least one class, not 0"):
        build_detector("yolox_nano", 0)


# Exchanging parts


EXCHANGED = [
    ("yolox_nano", {"head": "anchors"}),
    ("yolox_nano", {"head": "dfl_nano"}),
    ("yolox_s", {"head": "dfl"}),
    ("yolox_s", {"backbone": "darknet53", "neck": "yolov3_fpn"}),
    ("yolov3", {"head": "dfl"}),
    ("yolov3_tiny", {"backbone": "csp_darknet53_tiny", "head": "yolox"}),
    ("yolov4_tiny", {"anchors": (((1.0, 2.0),), ((3.0, 4.0),))}),
    ("yolov4_tiny", {"head": "dfl"}),
    ("yolov4_tiny", {"head": "dfl_yolov9"}),
    ("yolov9_c", {"backbone": "csp_darknet_s", "head": "yolox"}),
]


@pytest.mark.parametrize(("name", "parts"), EXCHANGED)
def test_parts_can_be_exchanged(name, parts):
    model = preset(name, **parts)
    assert model.name == name and all(getattr(model, part) == value for part, value in parts.items())
    with torch.device("meta"):
        detector = build(model, 3)
        found = detector.decode(detector(torch.empty(1, 3, 64, 64, dtype=torch.uint8)))
    assert found.scores.shape[::2] == (1, 3)
    assert preset(name, **parts_of(model)) == model


def test_parts_come_back_from_plain_data():
    assert parts_of(preset("yolov3"))["anchors"][0][0] == [10, 13]
    assert preset("yolov3").anchors == YOLOV3_ANCHORS
    assert all(preset(name, **parts_of(model)) == model for name, model in ZOO.items())


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("yolox_s", {"head": "x"}, "no head 'x'; --head takes one of: anchors, "),
        ("yolox_s", {"backbone": "x"}, "no backbone 'x'; --backbone takes one of: darknet_tiny, "),
        ("yolox_s", {"backbone": "darknet_tiny"}, "--neck pafpn takes 3 feature levels, .* backbone has 2"),
        ("yolox_s", {"head": "anchors_tiny"}, "this head takes 2 feature levels, .* has 3"),
        ("yolox_s", {"anchors": YOLOV3_ANCHORS}, "--anchors: the head 'yolox' of yolox_s has no anchors"),
        (
            "yolov4_tiny",
            {"anchors": YOLOV3_ANCHORS},
            "anchors for 3 feature levels, .* the network has 2",
        ),
        ("fcos", {"head": "yolox"}, "--head: the parts of fcos cannot be exchanged; .*another --model"),
        (
            "ssdlite320",
            {"backbone": "darknet53", "anchors": ()},
            "--backbone, --anchors: the parts of ssdlite",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(name, parts, message):
    with pytest.raises(ValueError, match=message):
        preset(name, **parts)


@pytest.mark.parametrize(
    ("loss", "flags"),
    [
        (LossSettings(box_loss="giou"), "--box-loss"),
        (LossSettings(label_smoothing=0.1, focal=True), "--label-smoothing, --focal"),
        (LossSettings(class_weights=(1.0, 2.0, 1.0)), "--class-weights"),
    ],
)
def test_a_loss_that_cannot_be_chosen_is_refused(loss, flags):
    with pytest.raises(ValueError, match=f"^{flags}: the loss of retinanet is fixed.*another --model"):
        build(preset("retinanet"), 3, loss)


def test_every_part_is_used():
    """By a model of the zoo, or in `EXCHANGED`."""
    models = [*ZOO.values(), *(preset(name, **parts) for name, parts in EXCHANGED)]
    models = [model for model in models if model.builder is None]
    used = {part: {getattr(model, part) for model in models} for part in PARTS}
    assert used == {"backbone": {*BACKBONES}, "neck": {*NECKS}, "head": {*HEADS}}
    assert strides_of(preset("yolov3_tiny")) == (16, 32)
