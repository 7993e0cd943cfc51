"""An exported file detects what its detector detects, and says what it is; others are refused."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from tests.helpers import ROOT, SHARED, needs_shared
from tests.utils.export.exports import CLASSES, SIZE, facts_of, random_images, small_detector
from utils.export.onnx_text import parse_graph
from utils.export.write_export import ENDINGS, write_export
from utils.inference.detect import DetectorLike
from utils.inference.exported_metadata import NAME
from utils.inference.exported_model import load_exported
from utils.inference.onnx_runtime import CPU, CUDA, choose_providers
from utils.inference.openvino_runtime import openvino_core, precision
from utils.system.device import multiplies_bf16
from utils.weights.file_kind import MODEL_FILE, exported_kind, refuse_exported

HOST = torch.device("cpu")
KINDS = ("onnx", "openvino", "torchscript")
WAYS = {
    "fixed": {},
    "bare": {"nms": False},
    "dynamic": {"dynamic": True},
    "letterbox": {"letterbox": True},
}
CASES = [(kind, way) for kind in KINDS for way in WAYS if (kind, way) != ("torchscript", "letterbox")]


@pytest.fixture(scope="module")
def detector():
    return small_detector()


@pytest.fixture(scope="module")
def files(detector, tmp_path_factory):
    """Each case's file, written when it is first asked for."""
    folder, written = tmp_path_factory.mktemp("模型 x"), {}

    def file(kind, way="fixed"):
        if (kind, way) not in written:
            path = folder / (way + ENDINGS[kind])
            device = "cpu" if kind == "torchscript" else "any"
            write_export(detector, facts_of(detector, device=device, **WAYS[way]), path, kind, half=False)
            written[kind, way] = path
        return written[kind, way]

    return file


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_it_detects_what_its_detector_detects(kind, way, detector, files):
    exported = load_exported(files(kind, way), HOST, "off")
    images = random_images(3)  # a file for one image at a time gets them one by one
    for found, expected in zip(exported.detect(images), detector.detect(images), strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_dynamic_ones_take_any_number_and_size(kind, detector, files):
    exported = load_exported(files(kind, "dynamic"), HOST, "off", image_size=(32, 80))
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
    exported, images = load_exported(files(kind), HOST, "off"), random_images(2)
    torch.testing.assert_close(exported.detect(images.contiguous()).scores, exported.detect(images).scores)


@pytest.mark.parametrize("kind", KINDS)
def test_results_stay_when_the_next_image_comes(kind, files):
    exported = load_exported(files(kind), HOST, "off")
    first = exported.detect(random_images(1))
    kept = first.scores.clone()
    assert not torch.equal(exported.detect(random_images(1, seed=1)).scores, kept)
    assert torch.equal(first.scores, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_is(kind, detector, files):
    exported = load_exported(files(kind), HOST, "off")
    assert exported.facts == facts_of(detector, device=exported.facts.device)
    assert exported.facts.class_names == CLASSES and exported.image_size == SIZE
    assert exported.pixels == detector.pixels and exported.stride == detector.stride
    assert "float32" in exported.describe() or "f32" in exported.describe()

    def takes(_: DetectorLike) -> None:
        """Its attributes are those of the protocol."""

    takes(exported)
    assert isinstance(exported.device, torch.device)


@pytest.mark.parametrize("kind", KINDS)
def test_fixed_ones_take_their_size_alone(kind, files):
    with pytest.raises(ValueError, match=r"--image-size 64 64: .* of 48 x 64 .*--dynamic"):
        load_exported(files(kind), HOST, "off", image_size=(64, 64))
    with pytest.raises(ValueError, match="48 x 64"):
        load_exported(files(kind), HOST, "off").detect(random_images(1, (48, 48)))


def test_sizes_that_are_no_multiple_of_the_stride(files):
    with pytest.raises(ValueError, match="the nearest that fit are 32 or 48"):
        load_exported(files("onnx", "dynamic"), HOST, "off", image_size=(48, 40))


def test_bfloat16_is_the_same_very_nearly(detector, files):
    images = random_images(2)
    exported, expected = load_exported(files("openvino"), HOST, "bf16"), detector.detect(images)
    assert "bf16" in exported.describe()
    torch.testing.assert_close(exported.detect(images).scores, expected.scores, rtol=0.1, atol=0.05)


def test_half_keeps_weights_in_half_the_space(detector, files, tmp_path):
    write_export(detector, facts_of(detector), tmp_path / "half", "openvino", half=True)
    sizes = [(folder / "model.bin").stat().st_size for folder in (tmp_path / "half", files("openvino"))]
    assert sizes[0] < 0.8 * sizes[1]
    found = load_exported(tmp_path / "half", HOST, "off").detect(random_images(1)).scores
    torch.testing.assert_close(found, detector.detect(random_images(1)).scores, rtol=0.02, atol=0.01)


def test_the_file_in_an_openvino_folder_stands_for_it(files):
    folder = files("openvino")
    whole, inside = (load_exported(path, HOST, "off") for path in (folder, folder / MODEL_FILE))
    assert torch.equal(whole.detect(random_images(1)).scores, inside.detect(random_images(1)).scores)


def test_what_is_given_has_to_agree(files, tmp_path):
    path = files("onnx")
    with pytest.raises(ValueError, match="holds yolox_nano; leave --model out"):
        load_exported(path, HOST, "off", model="yolov3")
    names = tmp_path / "classes.txt"
    names.write_text("cat\ndog\n", encoding="utf-8")
    with pytest.raises(ValueError, match="leave --classes out"):
        load_exported(path, HOST, "off", classes=names)
    names.write_text("\n".join(CLASSES), encoding="utf-8")
    assert load_exported(path, HOST, "off", model="yolox_nano", classes=names).facts.class_names == CLASSES


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_float32_alone(kind, amp, files):
    with pytest.raises(ValueError, match=f"--amp {amp}.*openvino"):
        load_exported(files(kind), HOST, amp)


def test_openvino_has_no_fp16_here():
    assert precision("off", accurate=True) == "f32" and precision("bf16", accurate=False) == "bf16"
    assert precision("auto", accurate=False) == "f32"
    assert precision("auto", accurate=True) == ("bf16" if multiplies_bf16(HOST) else "f32")
    with pytest.raises(ValueError, match="use --amp bf16, auto or off"):
        precision("fp16", accurate=True)


def test_onnx_runtime_takes_the_gpu_where_it_can(capsys):
    gpu = torch.device("cuda:1")
    assert choose_providers(gpu, [CUDA, CPU]) == [(CUDA, {"device_id": 1}), CPU]
    assert choose_providers(HOST, [CUDA, CPU]) == [CPU] and not capsys.readouterr().out
    assert choose_providers(gpu, [CPU]) == [CPU]
    assert "pip install onnxruntime-gpu" in capsys.readouterr().out


def test_a_letterbox_with_an_image_of_any_size_for_others(files):
    import onnxruntime

    session = onnxruntime.InferenceSession(files("onnx", "letterbox"))
    image = np.random.default_rng(0).integers(0, 256, (111, 300, 3), dtype=np.uint8)
    boxes, scores, labels = session.run(["boxes", "scores", "labels"], {"image": image})
    found = labels[0] >= 0
    assert found.any() and boxes[0, found].max() > 100, "in pixels of the image"
    assert (boxes[0, found] <= [300, 111, 300, 111]).all() and (scores[0, found] >= 0.25).all()


def test_nothing_of_this_machine_is_in_the_file(files):
    model = onnx.load(files("onnx"))
    assert [entry.key for entry in model.metadata_props] == [NAME]
    assert json.loads(model.metadata_props[0].value)["class_names"] == [*CLASSES]
    content = files("onnx").read_bytes()
    assert b".py" not in content and b"site-packages" not in content


# Files that are none of ours, or broken.


def foreign_onnx(path, outputs="float[1, 3, 4, 4] y", name="y"):
    graph = f"g (float[1, 3, 4, 4] x) => ({outputs}) {{ {name} = Identity(x) }}"
    onnx.save(parse_graph(graph), path)
    return path


def test_foreign_onnx_files_are_told_what_they_lack(tmp_path):
    path = foreign_onnx(tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match=r"lacks the output candidate_boxes.* has the outputs y\. Export"):
        load_exported(path)


@needs_shared
def test_a_published_onnx_file_is_refused():
    with pytest.raises(ValueError, match="it lacks the output candidate_boxes"):
        load_exported(SHARED / "weights" / "yolox_nano.onnx")


def test_foreign_openvino_and_torchscript(tmp_path):
    import openvino

    folder = tmp_path / "foreign"
    model = openvino_core().read_model(foreign_onnx(tmp_path / "foreign.onnx"))
    openvino.save_model(model, folder / MODEL_FILE)
    with pytest.raises(ValueError, match="lacks the output candidate_boxes"):
        load_exported(folder)
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), str(tmp_path / "foreign.pt"))
    with pytest.raises(ValueError, match="lacks class names and sizes"):
        load_exported(tmp_path / "foreign.pt")


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
        load_exported(path)


def test_missing_files(tmp_path):
    for name in ("none.onnx", "none.xml"):
        with pytest.raises(ValueError, match=f"{name} does not exist"):
            load_exported(tmp_path / name)


def test_which_kind_a_path_is(files, tmp_path):
    assert exported_kind(files("onnx")) == "onnx"
    assert exported_kind(files("openvino")) == exported_kind(files("openvino") / MODEL_FILE) == "openvino"
    assert exported_kind(files("torchscript")) == "torchscript"
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "best.pt")
    (tmp_path / "text.pt").write_text("no archive", encoding="utf-8")
    for none in (tmp_path / "best.pt", tmp_path / "text.pt", tmp_path / "gone.pt", tmp_path):
        assert exported_kind(none) is None
    with pytest.raises(ValueError, match=r"give the \.onnx file"):
        exported_kind("model.engine")


@pytest.mark.parametrize("kind", KINDS)
def test_exported_files_are_nothing_to_train(kind, files):
    from utils.weights.read_weights import read_weights

    with pytest.raises(ValueError, match="give the checkpoint"):
        read_weights(files(kind))
    with pytest.raises(ValueError, match="is an exported model, which is too late"):
        refuse_exported(files(kind), "is too late")


def test_torchscript_needs_none_of_our_code(files, detector, tmp_path):
    """As in C++: in a process that cannot import it."""
    code = (
        f"import torch; network = torch.jit.load({str(files('torchscript'))!r}); "
        "print(network(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))[1].sum().item())"
    )
    command = [sys.executable, "-I", "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = detector.detect(torch.zeros(1, 3, *SIZE, dtype=torch.uint8)).scores.sum()
    assert float(done.stdout) == pytest.approx(float(expected), rel=1e-4)


SIGNALLED = """
import faulthandler, gc, signal, sys
from pathlib import Path

import torch

from utils.inference.exported_model import load_exported

faulthandler.enable()
opened = [load_exported(Path(sys.argv[1]), torch.device("cpu"), "off") for _ in range(2)]
for exported in opened:
    exported.detect(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))
del exported
while opened:
    del opened[0]
    gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("stopped")
"""


def test_a_signal_after_openvino_is_no_crash(files):
    """As it is where there are two Cores of OpenVINO, and the first goes first."""
    command = [sys.executable, "-c", SIGNALLED, str(files("openvino"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
