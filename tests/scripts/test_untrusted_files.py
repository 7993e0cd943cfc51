"""Files from strangers that try to run code: refused, or read as data; a file of the user stays as it was."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from tests.scripts.running import accepted, refused
from tests.utils.export.exports import metadata_of, small_detector
from utils.inference.exported_metadata import EXTRA_FILE
from utils.predict.predictor import Predictor
from utils.weights.checkpoint import save_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit")

PRECIOUS = b"years of work"
TRUST = "--trust-weights"


class OverwriteOnLoad(nn.Module):
    """A module whose TorchScript file overwrites another file while it is loaded."""

    victim: str

    def __init__(self, victim):
        super().__init__()
        self.victim = victim

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.victim, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.victim, self.training = state
        torch.save(torch.zeros(1), self.victim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(1, 5, 4), torch.zeros(1, 5, 3)


class OverwriteOnUse(nn.Module):
    """A module whose TorchScript file overwrites another file when it is used."""

    victim: str

    def __init__(self, victim):
        super().__init__()
        self.victim = victim

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        torch.save(torch.zeros(1), self.victim)
        return torch.zeros(1, 5, 4), torch.zeros(1, 5, 3)


class Payload:
    """An object whose pickle overwrites a file when it is loaded."""

    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return Path.write_bytes, (self.victim, b"lost")


@pytest.fixture
def victim(tmp_path):
    """A file of the user, which is to stay as it is."""
    path = tmp_path / "victim.txt"
    path.write_bytes(PRECIOUS)
    yield path
    assert path.read_bytes() == PRECIOUS


def torchscript(path, victim, kind=OverwriteOnLoad):
    """Write a TorchScript file that overwrites `victim`, with the metadata that export.py writes."""
    path.parent.mkdir(exist_ok=True)
    extra = {EXTRA_FILE: metadata_of(small_detector(), device="cpu").to_json()}
    torch.jit.save(torch.jit.script(kind(str(victim))), str(path), _extra_files=extra)
    return path


def test_the_attacks_would_work(tmp_path):
    other = tmp_path / "other.txt"
    for kind in (OverwriteOnLoad, OverwriteOnUse):
        other.write_bytes(PRECIOUS)
        path = torchscript(tmp_path / "a.pt", other, kind)
        Predictor(path, device="cpu", trust_weights=True)(np.zeros((64, 64, 3), np.uint8))
        assert other.read_bytes() != PRECIOUS
    other.write_bytes(PRECIOUS)
    pickle.loads(pickle.dumps(Payload(other)))
    assert other.read_bytes() == b"lost"


def scripts(home, weights, output):
    """Each script that takes weights, with these."""
    images = home / "VOC2007" / "JPEGImages"
    train = ["--train", home / "2007_val.txt", "--val", home / "2007_val.txt", "--output", output / "logs"]
    return {
        "predict.py": [images, "--weights", weights, "--output", output / "found"],
        "get_map.py": ["--weights", weights, "--data", home / "2007_val.txt", "--output", output / "map"],
        "video.py": ["--source", images, "--weights", weights, "--save", output / "a.mp4"],
        "export.py": ["--weights", weights, "--output", output / "a.onnx"],
        "train.py": [*train, "--weights", weights, "--device", "cpu"],
    }


SCRIPTS = ["predict.py", "get_map.py", "video.py", "export.py", "train.py"]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("file", ["a.pt", "a.torchscript", "a.onnx", "ov/model.xml", "a.zip", "a.weights"])
def test_torchscript_whatever_its_name(name, file, home, victim, tmp_path, capsys):
    for kind in (OverwriteOnLoad, OverwriteOnUse):
        path = torchscript(tmp_path / file, victim, kind)
        message = refused(capsys, name, *scripts(home, path, tmp_path)[name])
        assert str(path) in message
        if file == "a.torchscript" and name in ("predict.py", "get_map.py", "video.py"):
            assert "is a program" in message and TRUST in message


def test_a_file_that_the_user_trusts(home, tmp_path, capsys):
    path = tmp_path / "a.torchscript"
    accepted(capsys, "export.py", "--weights", home / "start.pt", "--format", "torchscript", "--output", path)
    for name, printed in (("predict.py", "saved in"), ("get_map.py", "TorchScript on cpu")):
        flags = scripts(home, path, tmp_path)[name]
        assert "is a program" in refused(capsys, name, *flags)
        assert printed in accepted(capsys, name, *flags, TRUST)


def test_a_predictor_trusts_nothing(victim, tmp_path):
    path = torchscript(tmp_path / "a.pt", victim)
    with pytest.raises(ValueError, match="trust_weights=True"):
        Predictor(path)


def test_a_run_folder_with_torchscript(victim, tmp_path, capsys):
    torchscript(tmp_path / "logs" / "last.pt", victim)
    (tmp_path / "logs" / "config.json").write_text('{"config": {}, "data": {}}', encoding="utf-8")
    assert "last.pt" in refused(capsys, "train.py", "--resume", tmp_path / "logs")


def test_a_run_folder_with_links(trained_run, victim, tmp_path, capsys):
    folder = shutil.copytree(trained_run.folder, tmp_path / "run")
    for name in ("last.pt", "best.pt", "metrics.csv", "config.json", "curves.png", "report.html"):
        (folder / f"{name}.tmp").symlink_to(victim)
    (folder / "images_0.cache").symlink_to(victim)
    flags = ["--epochs", 3, "--save-period", 0, "--cache", "disk"]
    accepted(capsys, "train.py", "--resume", folder, *flags)


def test_a_run_folder_that_names_code(trained_run, victim, tmp_path, capsys):
    """It is not run, even where the defaults of train.py are edited or the flag names another file."""
    folder = shutil.copytree(trained_run.folder, tmp_path / "run")
    attack = folder / "attack.py"
    attack.write_text(f"open({str(victim)!r}, 'w')\n", encoding="utf-8")
    record = json.loads((folder / "config.json").read_text("utf-8"))
    record["config"]["augment_file"] = str(attack)
    (folder / "config.json").write_text(json.dumps(record), encoding="utf-8")
    for flags in ([], ["--epochs", 3], ["--preview"]):
        message = refused(capsys, "train.py", "--resume", folder, *flags)
        assert f"--augment-file {attack}" in message and "is not run" in message
    mine = tmp_path / "mine.py"
    mine.write_text("def augment(*given):\n    print('my augmentation')\n    return given[:3]\n", "utf-8")
    flags = ["--resume", folder, "--epochs", 3, "--workers", 0, "--augment-file", mine]
    printed = accepted(capsys, "train.py", *flags)
    assert f"--augment-file {attack} -> {mine}" in printed and "my augmentation" in printed


def pickles(victim):
    """Contents that hold a pickle which overwrites `victim`."""
    array = np.array([Payload(victim)], dtype=object)
    return {
        "raw.pt": lambda path: path.write_bytes(pickle.dumps(Payload(victim))),
        "zip.pt": lambda path: torch.save({"model": Payload(victim)}, path),
        "old.pth": lambda path: torch.save(
            {"model": Payload(victim)}, path, _use_new_zipfile_serialization=False
        ),
        "a.npy": lambda path: np.save(path, array, allow_pickle=True),
        "a.npz": lambda path: np.savez(path, array),
        "a.onnx": lambda path: path.write_bytes(pickle.dumps(Payload(victim))),
        "a.safetensors": lambda path: torch.save({"model": Payload(victim)}, path),
    }


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("file", pickles(Path()))
def test_pickles(name, file, home, victim, tmp_path, capsys):
    pickles(victim)[file](tmp_path / file)
    assert file in refused(capsys, name, *scripts(home, tmp_path / file, tmp_path)[name])


@pytest.mark.parametrize("flag", ["--classes", "--anchors", "--class-weights", "--train"])
def test_pickles_as_text_files(flag, home, victim, tmp_path, capsys):
    path = tmp_path / "a.txt"
    path.write_bytes(pickle.dumps(Payload(victim), protocol=0))
    options = [
        "--train",
        home / "2007_val.txt",
        "--val",
        home / "2007_val.txt",
        "--output",
        tmp_path / "logs",
    ]
    model = ["--model", "yolov3_tiny"] if flag == "--anchors" else []
    assert str(path) in refused(capsys, "train.py", *options, *model, flag, path)


def test_yaml_with_a_python_object(victim, tmp_path, capsys):
    path = tmp_path / "data.yaml"
    call = f"!!python/object/apply:shutil.copy [{tmp_path / 'data.yaml'}, {victim}]"
    path.write_text(f"train: images\nval: images\nnames: [a, {call}]\n", encoding="utf-8")
    assert str(tmp_path) in refused(capsys, "train.py", "--train", path, "--val", path)


@pytest.mark.parametrize(
    "backbone", ["timm:hf-hub:evil/model", "timm:local-dir:evil", "timm:resnet18.hf-hub:evil"]
)
def test_backbones_from_elsewhere(backbone, home, tmp_path, capsys, monkeypatch):
    def connect(*_):
        raise AssertionError("connected")

    monkeypatch.setattr("socket.socket.connect", connect)
    path = tmp_path / "a.pt"
    save_checkpoint(
        path,
        model={"a": torch.zeros(1)},
        ema=None,
        epoch=0,
        step=0,
        class_names=["a"],
        model_name="yolox_nano",
        image_size=(64, 64),
        model_parts={"backbone": backbone},
    )
    assert backbone in refused(capsys, "predict.py", *scripts(home, path, tmp_path)["predict.py"])
    assert backbone in refused(
        capsys, "train.py", *scripts(home, "none", tmp_path)["train.py"], "--backbone", backbone
    )


@pytest.mark.parametrize("file", ["a.onnx", "ov/model.xml"])
@pytest.mark.parametrize("location", ["../victim.txt", "/etc/passwd", "/dev/zero"])
def test_onnx_files_with_tensors_outside_their_folder(file, location, home, victim, tmp_path, capsys):
    path = tmp_path / "in" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(onnx_with("Add", "", location).SerializeToString())
    assert str(path) in refused(capsys, "predict.py", *scripts(home, path, tmp_path)["predict.py"])


@pytest.mark.parametrize("file", ["a.onnx", "ov/model.xml"])
def test_onnx_files_with_operators_of_others(file, home, victim, tmp_path, capsys):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(onnx_with("Overwrite", "evil").SerializeToString())
    assert str(path) in refused(capsys, "predict.py", *scripts(home, path, tmp_path)["predict.py"])


def onnx_with(operator, domain, location=None):
    """A model y = operator(x, w), whose tensor w is in the file `location` if given."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    if location is not None:
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "4")):
            tensor.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"], domain=domain)], "g", [x], [y], [tensor]
    )
    versions = [helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8)
