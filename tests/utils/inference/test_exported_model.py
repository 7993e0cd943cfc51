"""An exported file detects what its detector detects; files that do not match are refused."""

import pytest
import torch

from tests.utils.export.exports import CLASSES, KINDS, OPTIONS, SIZE, metadata_of, random_images
from utils.inference.detect import DetectorLike
from utils.inference.exported_model import load_exported
from utils.inference.loaded_runtime import HOST
from utils.weights.file_kind import MODEL_FILE

CASES = [
    (kind, options)
    for kind in KINDS
    for options in OPTIONS
    if (kind, options) != ("torchscript", "letterbox")
]


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_it_detects_what_its_detector_detects(kind, options, detector, files):
    exported = load_exported(files(kind, options), HOST, "off", trust=True)
    images = random_images(3)  # a file for one image at a time gets them one by one
    for found, expected in zip(exported.detect(images), detector.detect(images), strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_dynamic_ones_take_any_number_and_size(kind, detector, files):
    exported = load_exported(files(kind, "dynamic"), HOST, "off", trust=True, image_size=(32, 80))
    assert exported.image_size == (32, 80)
    shapes = [
        (1, (32, 80)),
        (5, (64, 16)),
        (2, (16, 16)),
        (1, (16, 16)),
        (1, (16, 32)),
        (3, (32, 16)),
        (1, (32, 80)),
    ]
    for images in (random_images(number, size) for number, size in shapes):
        for found, expected in zip(exported.detect(images), detector.detect(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_images_lie_in_memory_as_they_like(kind, files):
    exported, images = load_exported(files(kind), HOST, "off", trust=True), random_images(2)
    torch.testing.assert_close(exported.detect(images.contiguous()).scores, exported.detect(images).scores)


@pytest.mark.parametrize("kind", KINDS)
def test_results_stay_when_the_next_image_comes(kind, files):
    exported = load_exported(files(kind), HOST, "off", trust=True)
    first = exported.detect(random_images(1))
    kept = first.scores.clone()
    assert not torch.equal(exported.detect(random_images(1, seed=1)).scores, kept)
    assert torch.equal(first.scores, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_is(kind, detector, files):
    exported = load_exported(files(kind), HOST, "off", trust=True)
    assert exported.metadata == metadata_of(detector, device=exported.metadata.device)
    assert exported.metadata.class_names == CLASSES and exported.image_size == SIZE
    assert exported.pixels == detector.pixels and exported.stride == detector.stride
    assert "float32" in exported.describe() or "f32" in exported.describe()

    def takes(_: DetectorLike) -> None:
        """Its attributes are those of the protocol."""

    takes(exported)
    assert isinstance(exported.device, torch.device)


@pytest.mark.parametrize("kind", KINDS)
def test_fixed_ones_take_their_size_alone(kind, files):
    with pytest.raises(ValueError, match=r"--image-size 64 64: .* of 48 x 64 .*--dynamic"):
        load_exported(files(kind), HOST, "off", trust=True, image_size=(64, 64))
    with pytest.raises(ValueError, match="48 x 64"):
        load_exported(files(kind), HOST, "off", trust=True).detect(random_images(1, (48, 48)))


def test_sizes_that_are_no_multiple_of_the_stride(files):
    with pytest.raises(ValueError, match="the nearest valid ones are 32 or 48"):
        load_exported(files("onnx", "dynamic"), HOST, "off", image_size=(48, 40))


def test_what_is_given_has_to_agree(files, tmp_path):
    path = files("onnx")
    with pytest.raises(ValueError, match="holds yolox_nano; leave --model out"):
        load_exported(path, HOST, "off", model="yolov3")
    names = tmp_path / "classes.txt"
    names.write_text("cat\ndog\n", encoding="utf-8")
    with pytest.raises(ValueError, match="leave --classes out"):
        load_exported(path, HOST, "off", classes=names)
    names.write_text("\n".join(CLASSES), encoding="utf-8")
    assert load_exported(path, HOST, "off", model="yolox_nano", classes=names).metadata.class_names == CLASSES


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_float32_alone(kind, amp, files):
    with pytest.raises(ValueError, match=f"--amp {amp}.*openvino"):
        load_exported(files(kind), HOST, amp, trust=True)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind, files, tmp_path):
    whole = files(kind)
    if kind == "openvino":
        path = tmp_path / MODEL_FILE
        path.write_bytes((whole / MODEL_FILE).read_bytes()[:1000])
        (tmp_path / "model.bin").write_bytes(b"")
    else:
        path = tmp_path / whole.name
        content = bytearray(whole.read_bytes())
        content[200:400] = bytes(200)
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot load|is damaged"):
        load_exported(path, trust=True)


def test_torchscript_that_nobody_trusts(files):
    with pytest.raises(ValueError, match=r"is a program.*--trust-weights"):
        load_exported(files("torchscript"))


def test_missing_files(tmp_path):
    for name in ("none.onnx", "none.xml"):
        with pytest.raises(ValueError, match=f"{name} does not exist"):
            load_exported(tmp_path / name)
