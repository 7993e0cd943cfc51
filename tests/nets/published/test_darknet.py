"""Our Darknet networks give the outputs of OpenCV for the same cfg and weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nets import build, preset
from nets.published.darknet import file_shapes, from_darknet
from tests.helpers import SHARED, needs_shared
from tests.nets.published.darknet_cfg import NETWORKS
from utils.weights.load_weights import load_weights
from utils.weights.read_weights import read_weights

SIDE = 96
CLASSES = 5


@pytest.fixture(scope="session")
def opencv4(tmp_path_factory):
    """A folder with OpenCV 4 alone, to be put before everything else on the path of another process."""
    folder = tmp_path_factory.getbasetemp().parent / "opencv4"
    if not folder.exists():
        fresh = tmp_path_factory.mktemp("opencv4")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(fresh)]
        done = subprocess.run([*command, "opencv-python-headless<5"], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"needs pip and a package index to install OpenCV 4: {done.stderr.decode()[-300:]}")
        if not folder.exists():  # another process may have been faster
            fresh.rename(folder)
    return folder


def by_opencv(opencv4, folder, cfg, weights, images):
    """What OpenCV gives for each `yolo` layer, in the order of the cfg: [1, 3 * (5 + C), H, W] each."""
    np.save(folder / "input.npy", images)
    script = Path(__file__).with_name("run_opencv4.py")
    command = [sys.executable, script, cfg, weights, folder / "input.npy", folder / "output.npz"]
    environment = os.environ | {"PYTHONPATH": str(opencv4)}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "output.npz") as outputs:
        return [torch.from_numpy(outputs[name]) for name in outputs.files]


def in_our_order(output):
    """[1, 3 * (5 + C), H, W] -> [1, H * W * 3, 5 + C], all anchors of a cell together."""
    return output.unflatten(1, (3, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3)


def raw_rows(raw):
    return torch.cat((raw.boxes, raw.objectness.unsqueeze(-1), raw.classes), dim=-1)


def write_random_file(path, name, version=(0, 2, 5)):
    """A Darknet file with likely weights: convolutions keep the scale, variances are positive."""
    generator = torch.Generator().manual_seed(0)
    pieces = []
    for tensor, shape in file_shapes(name, CLASSES).items():
        if tensor.endswith("weight") and len(shape) == 4:
            value = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        elif tensor.endswith(("running_var", "bn.weight")):
            value = torch.rand(shape, generator=generator) + 0.5
            if tensor.endswith("spatial.bn.weight"):
                value /= 4  # or each shortcut doubles the variance
        else:
            value = torch.randn(shape, generator=generator) * 0.1
        pieces.append(value.flatten())
    header = np.array(version, "<i4").tobytes() + np.array([7], "<i8").tobytes()
    path.write_bytes(header + torch.cat(pieces).numpy().astype("<f4").tobytes())


def compare(opencv4, tmp_path, name, cfg, weights, classes, side):
    """Largest difference of our raw outputs to OpenCV's."""
    model = preset(name)
    detector = build(model, classes).eval()
    names = [str(number) for number in range(classes)]
    assert load_weights(detector, read_weights(weights), model, names, strict=True).complete
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, generator=generator)
    theirs = by_opencv(opencv4, tmp_path, cfg, weights, images.numpy().astype(np.float32) / 255)
    if name != "yolov4":
        theirs.reverse()  # their files begin with the coarsest level, ours with the finest
    with torch.no_grad():
        ours = raw_rows(detector(images))
    expected = torch.cat([in_our_order(output) for output in theirs], dim=1)
    assert ours.shape == expected.shape and expected.abs().max() > 1
    return (ours - expected).abs().max().item()


@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights_give_what_opencv_gives(name, opencv4, tmp_path):
    (tmp_path / "net.cfg").write_text(NETWORKS[name](SIDE, CLASSES))
    write_random_file(tmp_path / "net.weights", name)
    files = tmp_path / "net.cfg", tmp_path / "net.weights"
    assert compare(opencv4, tmp_path, name, *files, CLASSES, SIDE) < 1e-3


@needs_shared
def test_the_published_tiny_network_gives_what_opencv_gives(opencv4, tmp_path):
    weights = SHARED / "weights"
    files = weights / "yolov3-tiny-mask123.cfg", weights / "yolov3-tiny.weights"
    assert compare(opencv4, tmp_path, "yolov3_tiny", *files, 80, 416) < 1e-3


# Files that are accepted, and messages for others


def floats_of(name, classes, change=0):
    return torch.zeros(sum(shape.numel() for shape in file_shapes(name, classes).values()) + change)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("yolov3", 62_001_757),
        ("yolov3_tiny", 8_858_734),
        ("yolov4", 64_429_405),
        ("yolov4_tiny", 6_062_814),
    ],
)
def test_files_hold_as_many_floats_as_the_published_ones(name, published):
    assert len(floats_of(name, 80)) == published
    with torch.device("meta"):
        ours = build(preset(name), 80).state_dict()
    state = from_darknet(floats_of(name, 80), name)
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in ours.items() if v.ndim}


def test_the_number_of_classes_follows_from_the_number_of_floats():
    for classes in (1, 2, 20):
        state = from_darknet(floats_of("yolov4_tiny", classes), "yolov4_tiny")
        assert len(state["head.class_preds.0.weight"]) == 3 * classes


@pytest.mark.parametrize(("name", "change"), [("yolov3_tiny", -1), ("yolov3_tiny", 1), ("yolov4_tiny", -7)])
def test_a_wrong_number_of_floats_is_refused_with_the_counts(name, change):
    whole = len(floats_of(name, 80))
    with pytest.raises(ValueError, match=f"it holds {whole + change:,} floats, .* {whole:,} for COCO's 80"):
        from_darknet(floats_of(name, 80, change), name)


def test_other_networks_have_no_darknet_file():
    with pytest.raises(ValueError, match="of none of the networks yolov3, yolov3_tiny, yolov4, yolov4_tiny"):
        from_darknet(torch.zeros(100), "yolox_nano")


@pytest.mark.parametrize("name", ["yolox_nano", "yolov3_tiny"])
def test_the_network_is_known_by_the_number_of_floats(name):
    assert "backbone.last.conv.weight" in from_darknet(floats_of("yolov4_tiny", 3), name)


def test_the_beginning_of_a_file_is_enough_from_the_end_of_the_backbone_on():
    """`darknet53.conv.74` and the like: a pretrained backbone, without the last layers."""
    shapes = {name: shape.numel() for name, shape in file_shapes("yolov4_tiny", 80).items()}
    backbone = sum(number for name, number in shapes.items() if name.startswith("backbone."))
    one_more = backbone + sum(number for name, number in shapes.items() if name.startswith("neck.coarse."))
    for total, expected in ((backbone, {"backbone"}), (one_more, {"backbone", "neck"})):
        state = from_darknet(torch.arange(total), "yolov4_tiny")
        assert {name.split(".")[0] for name in state} == expected
        assert state["backbone.stem.0.bn.bias"].tolist() == [*range(32)]
    short = backbone - shapes["backbone.last.conv.weight"] - 4 * 512  # ends after a layer of the backbone
    for total in (short, backbone - 1, backbone + 1):
        with pytest.raises(ValueError, match="truncated, too long"):
            from_darknet(torch.zeros(total), "yolov4_tiny")
