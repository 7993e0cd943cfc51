"""Official names become ours, and the published nano network gives its published outputs."""

import pytest
import torch

from nets import ZOO, build_detector
from nets.heads.yolox_head import decode_yolox_boxes
from nets.published.yolox import from_yolox, official_names, yolox_to_our_name
from tests.helpers import SHARED, needs_shared
from tests.official_names import official_name
from utils.images.image_io import read_image
from utils.images.letterbox import letterbox


@pytest.mark.parametrize("name", [name for name in ZOO if name.startswith("yolox")])
def test_every_name_comes_back(name):
    with torch.device("meta"):
        ours = list(build_detector(name, 80).state_dict())
    theirs = [official_name(key) for key in ours]
    assert [yolox_to_our_name(key) for key in theirs] == ours
    assert official_names(ours, theirs) == dict(zip(ours, theirs, strict=True))
    assert official_names(ours[:5], theirs[2:]) == dict(zip(ours[2:5], theirs[2:5], strict=True))


def test_other_names_are_not_taken_for_official_ones():
    assert yolox_to_our_name("backbone.conv1.weight") is None
    assert yolox_to_our_name("head.stemsx.0.weight") is None
    assert from_yolox({"layer1.0.conv1.weight": torch.zeros(1)}) is None
    assert from_yolox({}) is None
    with torch.device("meta"):
        assert from_yolox(build_detector("yolox_nano", 2).state_dict()) is None, "ours are not official"


def published_nano():
    detector = build_detector("yolox_nano", 80).eval()
    path = SHARED / "weights" / "yolox_nano_coco.pth"
    state = from_yolox(torch.load(path, weights_only=True)["model"])
    detector.load_state_dict(state)  # all names, all shapes
    return detector


@needs_shared
def test_outputs_are_those_of_the_published_onnx_network():
    """Its outputs: box offsets as our raw ones, then probabilities of objectness and of 80 classes."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(SHARED / "weights" / "yolox_nano.onnx")
    detector = published_nano()
    files = sorted((SHARED / "data" / "coco128" / "images" / "train2017").glob("*.jpg"))[:20]
    assert len(files) == 20
    best = []
    for path in files:
        image, _ = letterbox(read_image(path), (416, 416), detector.pixels.pad_value, centred=False)
        images = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
        (output,) = session.run(None, {"images": images.flip(1).float().numpy()})
        theirs = torch.from_numpy(output)
        with torch.no_grad():
            raw, ours = detector(images), detector.detect(images)
        boxes = decode_yolox_boxes(raw._replace(boxes=theirs[..., :4]))
        torch.testing.assert_close(ours.boxes, boxes, rtol=0, atol=0.05)  # pixels
        torch.testing.assert_close(ours.scores, theirs[..., 4:5] * theirs[..., 5:], rtol=0, atol=1e-4)
        best.append(ours.scores.max().item())
    assert sorted(best)[10] > 0.5, "the network finds something on most images"
