"""train.py as a user runs it: what is in the run's folder, and going on with it."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.helpers import MACHINE_COLUMNS
from tests.scripts.running import CLASSES, SIZE, accepted, refused, script
from tests.utils.system.test_lock import start_holder
from train import Config, complete, read_all_data
from utils.data.notes import OTHER_CLASSES, counts_by_subject
from utils.data.settings import DataSettings
from utils.run.folder import read_config
from utils.system.settings import check_ranges, flat_values
from utils.weights.checkpoint import load_checkpoint
from utils.weights.pretrained import SOURCES

LOSSES = ("box", "objectness", "class", "l1")


def rows_of(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_files_of_the_run(trained_run):
    names = {path.name for path in trained_run.folder.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    images = {"curves.png", "train_batch.jpg", "predictions.jpg"}
    weights = {"best.pt", "last.pt", "previous.pt", "epoch_001.pt", "epoch_002.pt"}
    assert names - events == {".lock", "config.json", "metrics.csv", "report.html", *images, *weights}
    assert events and all((trained_run.folder / name).stat().st_size > 100 for name in events)
    for name in images:
        with Image.open(trained_run.folder / name) as image:
            image.load()
            assert min(image.size) >= 200


def test_a_row_for_each_epoch(trained_run):
    rows = rows_of(trained_run.folder)
    losses = [f"{kind}_{name}" for kind in ("loss", "val_loss") for name in LOSSES]
    expected = ["epoch", "lr", "loss", *losses, "map50", "map50_95", "images_per_second", "seconds"]
    expected += ["left_out", "waiting", "memory", "memory_left", "val_data"]
    assert [list(row) for row in rows] == [expected] * 2
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for row in rows:
        assert float(row["lr"]) > 0 and 0 <= float(row["map50_95"]) <= float(row["map50"]) + 1e-9 <= 1
        shown = f"mAP50 {float(row['map50']):.4f} mAP50-95 {float(row['map50_95']):.4f}"
        assert shown in trained_run.output
    assert any(float(row["map50_95"]) > 0 for row in rows)


def test_config_holds_everything_that_was_set(trained_run):
    found = json.loads((trained_run.folder / "config.json").read_text(encoding="utf-8"))
    config = found["config"]
    assert config["image_size"] == [SIZE, SIZE] and config["epochs"] == 2 and config["lr"] == 0.001
    assert config["optimizer"] == "muon" and config["weight_decay"] > 0  # not given, but used
    assert found["data"]["train"]["images"] == 8 and len(found["data"]["val"]["sha256"]) == 64
    assert found["versions"]["torch"]


def test_checkpoints_are_plain_data_that_say_what_they_are(trained_run):
    for name in ("best.pt", "last.pt"):
        found = torch.load(trained_run.folder / name, weights_only=True)
        assert found.keys() >= {"model", "ema", "optimizer", "epoch", "step"}
        assert found["class_names"] == list(CLASSES)
        assert (found["model_name"], found["image_size"]) == ("yolox_nano", [SIZE, SIZE])
    assert (found["epoch"], found["step"]) == (2, 4)  # two steps of four images an epoch


def test_the_best_is_of_the_epoch_with_the_best_map(trained_run):
    maps = [float(row["map50_95"]) for row in rows_of(trained_run.folder)]
    best = torch.load(trained_run.folder / "best.pt", weights_only=True)
    assert best["epoch"] == 1 + maps.index(max(maps)) and best["best"] == max(maps)


def test_it_says_what_it_does(trained_run):
    for text in (
        "device: CPU",
        "train: 8 images",
        f"yolox_nano for 5 classes, one image of {SIZE} x {SIZE}",
        "32 (2 x 2)",
        "backbone  loaded",
        "backbone frozen",
        "nothing frozen",
        "best weights, of epoch",
        *CLASSES,
        "python predict.py",
    ):
        assert text in trained_run.output


def test_a_frozen_backbone_is_that_of_the_weights(trained_run):
    """After the frozen epoch bit for bit, and no longer after the next."""

    def backbone(path):
        state = torch.load(path, weights_only=True)["model"]
        return {n: v for n, v in state.items() if n.startswith("backbone.") and v.is_floating_point()}

    start = backbone(trained_run.home / "start.pt")
    assert same(start, backbone(trained_run.folder / "epoch_001.pt"))
    assert not same(start, backbone(trained_run.folder / "epoch_002.pt"))


def test_resuming_continues_the_run_bit_for_bit(trained_run):
    """As if the second epoch had been interrupted: only the first epoch's checkpoint is there."""
    folder = trained_run.home / "logs" / "interrupted 中断"
    shutil.copytree(trained_run.folder, folder)
    for name in ("best.pt", "predictions.jpg", "epoch_002.pt"):
        (folder / name).unlink()
    shutil.copy(folder / "epoch_001.pt", folder / "best.pt")
    (folder / "epoch_001.pt").replace(folder / "last.pt")
    done = script("train.py", "--resume", folder.name, "--output", "logs", cwd=trained_run.home)
    assert "epoch 2/2" in done.stdout and "epoch 1/2" not in done.stdout
    first, second = (torch.load(path / "last.pt", weights_only=True) for path in (trained_run.folder, folder))
    assert same(first["model"], second["model"]) and same(first["ema"], second["ema"])
    for one, two in zip(rows_of(trained_run.folder), rows_of(folder), strict=True):
        assert all(one[name] == two[name] for name in one.keys() - MACHINE_COLUMNS)
    assert (folder / "predictions.jpg").is_file()


def copy_of(run, folder):
    """Copy a run to go on with."""
    shutil.copytree(run.folder, folder)
    return folder


def test_a_run_that_goes_on_with_other_validation_data(trained_run, tmp_path):
    """One of six images is taken off the list, and one object off another image."""
    folder = copy_of(trained_run, tmp_path / "run")
    path = trained_run.home / "2007_val.txt"
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    labelled = next(line for line in lines if "," in line)
    fewer = [line for line in lines[:5] if line != labelled] + [labelled.rpartition("\t")[0]]
    path.write_text("\n".join(fewer) + "\n", encoding="utf-8")
    try:
        done = script("train.py", "--resume", folder, "--epochs", 3, cwd=trained_run.home)
    finally:
        path.write_text(text, encoding="utf-8")
    assert "notice: the val data has changed since the run was started: 5 images and " in done.stdout
    assert "notice: on the new validation data the best weights so far, of epoch " in done.stdout
    assert "the train data has changed" not in done.stdout
    assert [row["val_data"] for row in rows_of(folder)] == ["1", "1", "2"]


def test_two_trainings_of_one_run_at_once(trained_run, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained_run.folder.iterdir()}
    holder, _ = start_holder(trained_run.folder)
    try:
        text = refused(capsys, "train.py", "--resume", trained_run.folder)
        assert f"error: another training is running in {trained_run.folder}: wait for its end" in text
        data = ["--train", trained_run.home / "VOC2007:train", "--val", trained_run.home / "2007_val.txt"]
        names = ["--classes", trained_run.home / "VOC2007" / "classes.txt", "--image-size", SIZE, SIZE]
        where = ["--output", trained_run.folder.parent, "--name", trained_run.folder.name]
        text = refused(capsys, "train.py", *data, *names, *where)
        assert "exists: choose another --name, or wait for the training that is running in it" in text
    finally:
        holder.kill()
        holder.wait()
    assert {path: path.stat().st_mtime_ns for path in trained_run.folder.iterdir()} == before


def test_a_run_goes_on_longer_and_with_smaller_batches(trained_run, tmp_path):
    folder = tmp_path / "logs" / "longer"
    shutil.copytree(trained_run.folder, folder)
    again = ["--resume", folder, "--epochs", 3, "--batch-size", 2]
    done = script("train.py", *again, cwd=trained_run.home)
    assert f"resuming {folder}, with its settings but --epochs 2 -> 3, --batch-size 4 -> 2" in done.stdout
    assert [row["epoch"] for row in rows_of(folder)] == ["1", "2", "3"]
    state = torch.load(folder / "last.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (3, 2 + 4 + 4)  # of 8 images: frozen 2 steps, then 4
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["config"]["epochs"] == 3 and config["resumed"][0]["command"][1:3] == [
        "--resume",
        str(folder),
    ]


def test_a_run_of_so_many_minutes(trained_run, tmp_path, capsys):
    """The shortest: one epoch, and one more when it goes on with more time."""
    home = trained_run.home
    data = ["--train", home / "VOC2007:train", "--val", home / "2007_val.txt", "--weights", home / "start.pt"]
    data += ["--classes", home / "VOC2007" / "classes.txt", "--image-size", SIZE, SIZE, "--workers", 0]
    place = ["--output", tmp_path, "--name", "timed", "--log", "none"]
    done = script("train.py", *data, *place, "--minutes", 0.001, cwd=home)
    assert "--minutes 0.001: 1 epochs, 0 of them frozen (an epoch takes " in done.stdout
    assert "best weights, of epoch 1" in done.stdout
    seconds = torch.load(tmp_path / "timed" / "last.pt", weights_only=True)["timing"]["seconds"]
    more = ["--minutes", seconds / 60 + 1e6, "--patience", 1]
    done = script("train.py", "--resume", tmp_path / "timed", *more, cwd=home)
    assert "epoch 2/" in done.stdout and "early stopping" in done.stdout
    text = refused(capsys, "train.py", *data, *place, "--minutes", 1, "--epochs", 3)
    assert "error: --epochs and --minutes both set the length of the run: omit one of them" in text


def test_what_cannot_change_when_a_run_goes_on(trained_run, capsys):
    again = ["--resume", trained_run.folder, "--output", trained_run.home / "logs"]
    message = refused(capsys, "train.py", *again, "--model", "yolox_s")
    assert (
        "--model cannot change from yolox_nano to yolox_s within a run: another network needs a new run"
        in message
    )
    assert "the run has already trained for 2" in refused(
        capsys, "train.py", *again, "--epochs", 1, "--freeze-epochs", 1
    )


def test_what_trains_is_what_was_asked_for(home, tmp_path, capsys):
    """Stages frozen throughout, rates by layer, weights of classes, and Muon; and when it goes on."""
    year, weights = home / "VOC2007", tmp_path / "weights.txt"
    weights.write_text("鱼 2\n", encoding="utf-8")
    data = ["--train", f"{year}:train", "--val", f"{year}:val", "--classes", year / "classes.txt"]
    size = ["--image-size", SIZE, SIZE, "--epochs", 2, "--workers", 0, "--device", "cpu", "--batch-size", 4]
    asked = ["--optimizer", "muon", "--freeze", "backbone:2", "neck", "--freeze-epochs", 2]
    asked += ["--layer-decay", 0.8, "--class-weights", weights, "--weights", home / "start.pt"]
    where = ["--output", tmp_path / "logs", "--name", "r", "--save-period", 1]
    output = accepted(capsys, "train.py", *data, *size, *asked, *where)
    assert "trains backbone after stage 2, head; backbone up to stage 2, neck frozen" in output
    assert output.count("class weights: 杯子 1, 鱼 2, house 房子 1, key 1, 树 1\n") == 1
    assert "by 0.8 for each stage" in output
    folder = tmp_path / "logs" / "r"
    start, last = (
        torch.load(path, weights_only=True)["model"] for path in (home / "start.pt", folder / "last.pt")
    )
    moved = [n for n, v in last.items() if v.is_floating_point() and not torch.equal(v, start[n])]
    parts = {".".join(name.split(".")[: 2 if name.startswith("backbone") else 1]) for name in moved}
    assert parts == {"backbone.stage2", "backbone.stage3", "backbone.stage4", "head"}
    (folder / "epoch_001.pt").replace(folder / "last.pt")
    accepted(capsys, "train.py", "--resume", folder)
    assert same(torch.load(folder / "last.pt", weights_only=True)["model"], last)


def test_a_single_class_is_measured_as_one(home, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    year = home / "VOC2007"
    options = ["--image-size", SIZE, SIZE, "--device", "cpu"]
    data = ["--train", f"{year}:train", "--val", home / "2007_val.txt", "--classes", year / "classes.txt"]
    data += ["--weights", home / "start.pt"]
    more = ["--epochs", 1, "--workers", 0, "--output", tmp_path, "--name", "r", "--single-class"]
    output = accepted(capsys, "train.py", *data, *options, *more)
    assert "objects of 1 classes" in output
    weights = tmp_path / "r" / "best.pt"
    assert load_checkpoint(weights)["class_names"] == ["object"]
    output = accepted(capsys, "get_map.py", "--weights", weights, "--data", home / "2007_val.txt", *options)
    assert "all classes of the data count as one, object, as the weights were trained" in output
    found = json.loads((tmp_path / "map_out" / "metrics.json").read_text("utf-8"))
    assert list(found["per_class"]) == ["object"] and found["per_class"]["object"]["objects"] > 6
    assert found["coco"]["map"] == pytest.approx(float(rows_of(tmp_path / "r")[0]["map50_95"]), abs=1e-6)


def test_published_weights_are_recorded_as_the_file_that_was_used(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("utils.run.prepare.pretrained_weights", lambda model: home / "start.pt")
    year = home / "VOC2007"
    data = ["--train", f"{year}:train", "--val", f"{year}:val", "--classes", year / "classes.txt"]
    size = ["--image-size", SIZE, SIZE, "--epochs", 1, "--workers", 0, "--device", "cpu"]
    where = ["--weights", "pretrained", "--output", tmp_path / "logs", "--name", "r"]
    output = accepted(capsys, "train.py", *data, *size, *where)
    assert f"weights: {home / 'start.pt'}" in output and "backbone  loaded" in output
    found = json.loads((tmp_path / "logs" / "r" / "config.json").read_text(encoding="utf-8"))
    assert found["config"]["weights"] == str(home / "start.pt")


def test_nothing_is_fetched_before_all_else_is_right(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("utils.run.prepare.pretrained_weights", lambda model: pytest.fail("fetched"))
    gone = ["--train", tmp_path / "gone.txt", "--weights", "pretrained", "--device", "cpu"]
    assert "gone.txt does not exist" in refused(capsys, "train.py", *gone)
    monkeypatch.delitem(SOURCES, "yolox_nano")
    assert "no published weights of the model 'yolox_nano'" in refused(capsys, "train.py", *gone)


def test_the_summary_needs_no_data(home, tmp_path, capsys):
    flags = ["--summary", "--model", "yolov4_tiny", "--output", tmp_path / "logs"]
    classes = ["--classes", home / "VOC2007" / "classes.txt"]
    output = accepted(capsys, "train.py", *flags, *classes, "--image-size", 320, 416)
    assert output.startswith("yolov4_tiny for 5 classes, one image of 320 x 416")
    assert "10 x 13" in output and "331 x 331" in output
    flags += ["--classes", tmp_path / "gone.txt"]
    assert "yolov4_tiny for 80 classes, one image of 416 x 416" in accepted(capsys, "train.py", *flags)
    assert "96 or 128" in refused(capsys, "train.py", *flags, "--image-size", 100, 64)
    assert not (tmp_path / "logs").exists()


# What is trained on


@pytest.fixture
def several(tmp_path):
    """Three COCO files of one image each, whose classes differ: cat dog, dog cat fox, and fox cat."""
    for file, image, names in (
        ("one", "a", ("cat", "dog")),
        ("two", "b", ("dog", "cat", "fox")),
        ("val", "c", ("fox", "cat")),
    ):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{image}.jpg")
        content = {
            "images": [{"id": 1, "file_name": f"{image}.jpg"}],
            "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
            "annotations": [
                {"id": number, "image_id": 1, "category_id": number, "bbox": [1, 2, 30, 40]}
                for number in range(len(names))
            ],
        }
        (tmp_path / f"{file}.json").write_text(json.dumps(content))
    return tmp_path


def read(folder, train, **settings):
    specs = tuple(str(folder / f"{name}.json") for name in train)
    config = Config(
        train=specs, val=(str(folder / "val.json"),), test=(str(folder / "val.json"),), **settings
    )
    return read_all_data(config)


def test_several_data_sets_are_one_and_all_have_the_classes_of_the_training_data(several):
    data = read(several, ["one", "two"])
    assert "one.json" in data["train"].notes[0].problems[0].file
    assert data["train"].notes[0].problems[0].reason == "lacks fox"
    assert {index.class_names for index in data.values()} == {("cat", "dog", "fox")}
    assert data["train"].labels.tolist() == [0, 1, 1, 0, 2] and data["val"].labels.tolist() == [2, 0]


def test_a_fraction_of_the_training_images(several):
    data = read(several, ["one", "two"], data=DataSettings(fraction=0.5))
    assert [len(data[name]) for name in ("train", "val", "test")] == [1, 1, 1]
    assert data["train"].class_names == ("cat", "dog", "fox")
    with pytest.raises(ValueError, match="fraction"):
        check_ranges(Config(data=DataSettings(fraction=0.0)))


def test_all_classes_as_one(several):
    data = read(several, ["one", "two"], data=DataSettings(single_class=True))
    assert {index.class_names for index in data.values()} == {("object",)}
    assert data["train"].labels.tolist() == [0] * 5 and data["val"].labels.tolist() == [0] * 2
    data = read(several, ["one"], data=DataSettings(single_class=True))  # it does not know the fox
    assert data["val"].labels.tolist() == [0]


def test_what_the_training_data_has_not_is_left_out_of_the_others(several):
    data = read(several, ["one"])
    assert counts_by_subject(data["val"].notes, OTHER_CLASSES) == {"fox": 1}
    assert [index.class_names for index in data.values()] == [("cat", "dog")] * 3
    assert data["val"].labels.tolist() == data["test"].labels.tolist() == [0]


def test_a_class_list_decides_for_all(several):
    (several / "classes.txt").write_text("fox\ncat\n")
    data = read(several, ["two", "one"], classes=several / "classes.txt")
    assert [(note.subject, note.number) for note in data["train"].notes] == [("dog", 2)]
    assert data["train"].class_names == ("fox", "cat") and data["train"].labels.tolist() == [1, 0, 1]


def test_lists_have_the_default_classes(several):
    (several / "list.txt").write_text("a.jpg 1,2,3,4,19\n")
    config = Config(train=(str(several / "list.txt"),), val=(str(several / "list.txt"),))
    assert read_all_data(config)["train"].class_names[19] == "tvmonitor"


def test_no_data_is_refused(capsys):
    assert "--train and --val each name at least one" in refused(
        capsys, "train.py", "--train", "--val", "x.txt"
    )


def test_runs_from_before_there_could_be_several_data_sets_go_on(several):
    saved = {"train": "/d/one.json:/d", "val": "/d/val.txt", "test": "", "classes": "/d/c.txt", "lr": 0.5}
    (several / "config.json").write_text(json.dumps({"config": saved}))
    config = read_config(several, Config)
    assert (config.train, config.val, config.test) == (("/d/one.json:/d",), ("/d/val.txt",), ())
    assert config.classes == Path("/d/c.txt") and config.optimization.lr == 0.5


def test_what_is_saved_is_read_again(several, monkeypatch):
    monkeypatch.chdir(several)
    config = complete(Config(train=("one.json", "two.json"), val=("val.json:.",)))
    assert config.train == (str(several / "one.json"), str(several / "two.json"))
    (several / "config.json").write_text(json.dumps({"config": flat_values(config)}, default=str))
    assert read_config(several, Config) == config
