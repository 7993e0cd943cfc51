"""What a user gets wrong: one clear message with the fix, exit status 2, never a traceback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nets import build_detector
from tests.helpers import ROOT
from tests.scripts.running import CLASSES, SIZE, accepted, refused, script
from tests.utils.formats.voc_folder import add_image, xml
from utils.weights.checkpoint import save_checkpoint


@pytest.fixture
def train(home, tmp_path, capsys):
    """Give train.py flags beside those of a run that would work; returns what it refuses with."""

    def refuse(*flags):
        return refused(capsys, "train.py", *working(home, tmp_path), *flags)

    return refuse


def working(home, output):
    year = home / "VOC2007"
    data = ["--train", f"{year}:train", "--val", f"{year}:val", "--classes", year / "classes.txt"]
    size = ["--image-size", SIZE, SIZE, "--epochs", 1, "--batch-size", 2, "--mosaic", 0]
    return [*data, *size, "--workers", 0, "--device", "cpu", "--output", output / "logs", "--name", "r"]


def test_several_problems_are_told_together(home, tmp_path):
    """And as a user sees them, in a process of its own."""
    flags = ["--train", "gone.txt", "--val", "lost.txt", "--image-size", 100, 64, "--weights", "away.pt"]
    done = script("train.py", *working(home, tmp_path), *flags, cwd=tmp_path, status=2)
    assert "4 problems to fix" in done.stderr
    for text in (str(tmp_path / "gone.txt"), str(tmp_path / "lost.txt"), "96 or 128", "away.pt"):
        assert text in done.stderr
    assert not (tmp_path / "logs").exists()


def test_a_missing_class_list(train, tmp_path):
    assert str(tmp_path / "no.txt") in train("--classes", tmp_path / "no.txt")


def test_a_missing_list(train, tmp_path):
    message = train("--train", tmp_path / "gone.txt")
    assert str(tmp_path / "gone.txt") in message and "does not exist" in message


def test_an_empty_list(train, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    assert "empty.txt" in train("--train", tmp_path / "empty.txt")


def test_a_list_without_any_box(train, home, tmp_path):
    image = next((home / "VOC2007" / "JPEGImages").iterdir())
    (tmp_path / "bare.txt").write_text(f"{image}\t\n", encoding="utf-8")
    message = train("--train", tmp_path / "bare.txt")
    assert "bare.txt" in message and "no box" in message


def test_a_class_beyond_the_classes(train, home, tmp_path):
    image = next((home / "VOC2007" / "JPEGImages").iterdir())
    (tmp_path / "list.txt").write_text(f"{image}\t1,2,30,40,0 1,2,30,40,5 1,2,30,40,5\n", encoding="utf-8")
    message = train("--train", tmp_path / "list.txt")
    assert (
        "list.txt" in message and "line 1: class 5" in message and "2 of 3" in message and "0 to 4" in message
    )


def test_images_that_are_not_there(train, tmp_path):
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'x.jpg'} 1,2,30,40,0\n")
    message = train("--train", tmp_path / "list.txt")
    assert "1 of 1 images" in message and str(tmp_path / "x.jpg") in message


@pytest.mark.parametrize(("size", "nearest"), [((100, 64), "96 or 128"), ((64, 20), "32")])
def test_an_image_size_between_two_that_fit(train, size, nearest):
    message = train("--image-size", *size)
    assert "--image-size" in message and nearest in message


def test_weights_of_another_model(train, tmp_path):
    state = build_detector("yolox_tiny", len(CLASSES)).state_dict()
    entries = {"ema": None, "epoch": 0, "step": 0, "class_names": CLASSES, "image_size": (SIZE, SIZE)}
    save_checkpoint(tmp_path / "tiny.pt", model=state, model_name="yolox_tiny", **entries)
    message = train("--weights", tmp_path / "tiny.pt")
    assert "tiny.pt" in message and "--model yolox_tiny" in message
    assert not (tmp_path / "logs").exists()


def test_missing_and_broken_weights(train, tmp_path):
    assert "no.pt" in train("--weights", tmp_path / "no.pt")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 cut")
    assert "cut.pt is damaged" in train("--weights", tmp_path / "cut.pt")


@pytest.mark.parametrize("flag", ["--batch-size", "--freeze-batch-size", "--eval-period"])
def test_a_batch_of_nothing(train, flag):
    assert f"{flag} must be at least 1, not 0" in train(flag, 0)


def test_more_frozen_epochs_than_epochs(train):
    assert "--freeze-epochs 2 is not within" in train("--freeze-epochs", 2)


def test_freezing_what_there_is_not_or_everything(train):
    message = train("--freeze", "backbone:9")
    assert "backbone:1 to backbone:5" in message and "3 backbone.stage2" in message
    assert "leaves nothing to train" in train("--freeze", "backbone", "neck", "head")


@pytest.mark.parametrize("value", [0, 1.5, "nan"])
def test_a_layer_decay_out_of_its_range(train, value):
    assert "--layer-decay must be above 0 and at most 1" in train("--layer-decay", value)


def test_weights_of_classes_that_there_are_not(train, tmp_path):
    assert "none, auto or a file" in train("--class-weights", "much")
    (tmp_path / "weights.txt").write_text("树 2\nbird 3\n", encoding="utf-8")
    message = train("--class-weights", tmp_path / "weights.txt")
    assert "weights.txt, line 2: unknown class 'bird'" in message and "key, 树" in message
    assert "--class-weights: the loss of fcos" in train("--class-weights", "auto", "--model", "fcos")


def test_an_existing_run_is_not_touched(train, tmp_path):
    folder = tmp_path / "logs" / "r"
    folder.mkdir(parents=True)
    (folder / "last.pt").touch()
    message = train()
    assert "--name" in message and "--resume" in message
    assert [path.name for path in folder.iterdir()] == ["last.pt"]


def test_an_unknown_model_and_a_missing_gpu(train):
    assert "yolox_nano, yolox_tiny" in train("--model", "yolo")
    assert "--device" in train("--device", "gpu")


def test_what_torchvisions_detectors_do_not_take(train):
    assert "--head: the parts of fcos cannot be exchanged" in train("--model", "fcos", "--head", "yolox")
    assert "--box-loss, --focal: the loss of fcos" in train(
        "--model", "fcos", "--box-loss", "giou", "--focal"
    )
    assert "at least 268" in train("--model", "ssd300_vgg16", "--image-size", 256, 300)


def test_loggers_that_are_not_installed(train, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert "pip install wandb" in train("--log", "tensorboard", "wandb")
    assert "none cannot be combined with others" in train("--log", "none", "tensorboard")
    assert not (tmp_path / "logs").exists()


def test_nothing_to_resume(train):
    assert "there is no last.pt" in train("--resume", "never")


def test_missing_weights_of_the_other_scripts(home, tmp_path, capsys):
    image = next((home / "VOC2007" / "JPEGImages").iterdir())
    weights = ["--weights", tmp_path / "no.pt", "--device", "cpu"]
    for name, flags in (
        ("predict.py", [image, "--output", tmp_path / "o"]),
        ("video.py", ["--source", "a.mp4", "--save", tmp_path / "o.mp4"]),
        ("get_map.py", ["--data", f"{home / 'VOC2007'}:val", "--output", tmp_path / "o"]),
    ):
        message = refused(capsys, name, *flags, *weights)
        assert str(tmp_path / "no.pt") in message and "does not exist" in message
    assert not list(tmp_path.iterdir())


# What looks wrong, but works.


def test_a_data_set_of_one_image_trains(home, tmp_path, capsys):
    source = next((home / "VOC2007" / "JPEGImages").iterdir())
    shutil.copy(source, tmp_path / "my image.jpg")
    (tmp_path / "one.txt").write_text(f"{tmp_path / 'my image.jpg'}\t10,20,90.5,100,1\n", encoding="utf-8")
    one = ["--train", tmp_path / "one.txt", "--val", tmp_path / "one.txt", "--mosaic", 1]
    output = accepted(capsys, "train.py", *working(home, tmp_path), *one)
    assert "train: 1 images, 1 objects" in output
    assert (tmp_path / "logs" / "r" / "best.pt").is_file()


def break_one_of_each(home, tmp_path, content) -> tuple[list[Path], list[str]]:
    """Data with a broken image for training and one for validation: which, and the flags that name it."""
    year = tmp_path / "VOC2007"
    shutil.copytree(home / "VOC2007", year)
    broken = []
    for split in ("train", "val"):
        first = (year / "ImageSets" / "Main" / f"{split}.txt").read_text().split()[0]
        broken.append(year / "JPEGImages" / f"{first}.jpg")
        broken[-1].write_bytes(content)
    return broken, ["--train", f"{year}:train", "--val", f"{year}:val"]


def test_too_many_broken_images_stop_a_training_before_it_starts(home, tmp_path, capsys):
    broken, data = break_one_of_each(home, tmp_path, b"no image")
    message = refused(capsys, "train.py", *working(home, tmp_path), *data)
    assert "1 of 8 images" in message and "1 of 6 images" in message
    assert all(str(path) in message for path in broken)
    assert not (tmp_path / "logs").exists()


def test_images_that_turn_out_broken_are_skipped_and_named(home, tmp_path, capsys):
    """They begin and end as JPEG does."""
    broken, data = break_one_of_each(home, tmp_path, b"\xff\xd8 no image \xff\xd9")
    output = accepted(capsys, "train.py", *working(home, tmp_path), *data)
    assert f"skipped, cannot be read: {broken[0]}" in output
    state = torch.load(tmp_path / "logs" / "r" / "last.pt", weights_only=True)
    assert all(value.isfinite().all() for value in state["model"].values())
    assert (tmp_path / "logs" / "r" / "predictions.jpg").is_file()


# Folders without write bits

DROP = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]  # root obeys no modes


@pytest.fixture
def read_only(tmp_path):
    """Two folders without write bits: a devkit and an empty one."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    add_image(tmp_path / "devkit" / "VOC2007", "a", xml([("cat", (1, 2, 30, 40))]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    folders = [tmp_path / "empty", *(path for path in (tmp_path / "devkit").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield tmp_path
    for folder in folders:
        folder.chmod(0o755)


def refused_without_rights(folder, name, *flags):
    done = subprocess.run(
        [*DROP, sys.executable, ROOT / f"{name}.py", *map(str, flags)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("doctor", ["--data", "devkit/VOC2007/Annotations:devkit/VOC2007/JPEGImages", "--output", "empty/x"]),
        ("get_map", ["--weights", "no.pt", "--data", "none", "--output", "empty/x"]),
        ("predict", ["devkit", "--weights", "no.pt", "--output", "empty"]),
        ("convert", ["devkit/VOC2007:train", "--to", "coco", "--output", "empty/x"]),
        ("coco_annotation", ["--output", "empty/a.txt"]),
        ("kmeans_anchors", ["--output", "empty/a.txt"]),
        ("train", ["--train", "none", "--output", "empty/logs"]),
        ("voc_annotation", ["--devkit", "devkit", "--classes", "classes.txt", "--output", "empty"]),
    ],
)
def test_folders_that_take_no_file_are_told_with_the_flag_before_any_work(read_only, name, flags):
    message = refused_without_rights(read_only, name, *flags)
    assert f"nothing can be saved in {read_only / 'empty'} (Permission denied)" in message
    assert "--output" in message


def test_a_read_only_devkit_can_be_trained_on_without_a_split(read_only):
    message = refused_without_rights(
        read_only, "voc_annotation", "--devkit", "devkit", "--classes", "classes.txt", "--output", "."
    )
    year = read_only / "devkit" / "VOC2007"
    assert f"--train {year / 'Annotations'}:{year / 'JPEGImages'}" in message
