"""doctor.py as a user runs it, on data that is broken on purpose."""

import json
import shutil

import pytest
from PIL import Image

from tests.helpers import SHARED, needs_shared
from tests.scripts.running import refused, script
from utils.sample.dataset import SAMPLE_CLASSES
from utils.sample.writer import write_sample_data


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The sample data set, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("a b")
    write_sample_data(folder, splits={"train": 16, "val": 4})
    return folder


@pytest.fixture
def year(sound, tmp_path):
    return shutil.copytree(sound / "VOC2007", tmp_path / "VOC2007")


def ids(year, split):
    return (year / "ImageSets/Main" / f"{split}.txt").read_text().split()


def damage(year):
    """Cause one fault of each kind; returns what the page must name, by kind."""
    images, annotations = year / "JPEGImages", year / "Annotations"
    train, val = ids(year, "train"), ids(year, "val")
    cut, turned, double, copied = (images / f"{name}.jpg" for name in train[:4])
    cut.write_bytes(cut.read_bytes()[:2000])
    exif = Image.Exif()
    exif[0x112] = 3
    Image.open(turned).save(turned, exif=exif)
    xml = annotations / f"{double.stem}.xml"
    text = xml.read_text()
    start, end = text.index("<object>"), text.index("</object>") + len("</object>")
    xml.write_text(text[:end] + text[start:end] + text[end:])
    shutil.copy(copied, images / f"{val[0]}.jpg")
    Image.open(images / f"{train[4]}.jpg").save(images / f"{val[1]}.jpg", quality=50)
    for name in val:  # a class that training does not have
        path = annotations / f"{name}.xml"
        path.write_text(path.read_text().replace("<name>cup<", "<name>ufo<"))
    return {"unreadable": cut, "exif-either": turned, "doubled": double, "leak": images / f"{val[0]}.jpg"}


def test_a_sound_data_set(sound, tmp_path):
    done = script(
        "doctor.py", "--train", f"{sound}/VOC2007:train", "--val", f"{sound}/VOC2007:val", cwd=tmp_path
    )
    assert "Ready to train" in done.stdout and "SERIOUS" not in done.stdout
    assert {path.name for path in (tmp_path / "doctor_out").iterdir()} == {"index.html", "problems.json"}
    record = json.loads((tmp_path / "doctor_out/problems.json").read_text("utf-8"))
    assert record["healthy"] and {finding["severity"] for finding in record["findings"]} <= {
        "warning",
        "note",
    }


def test_every_fault_is_named(year, tmp_path):
    wanted = damage(year)
    data = ["--train", f"{year}:train", "--val", f"{year}:val"]
    done = script("doctor.py", *data, "--output", "out", "--workers", 2, cwd=tmp_path, status=1)
    record = json.loads((tmp_path / "out/problems.json").read_text("utf-8"))
    found = {finding["kind"]: finding for finding in record["findings"]}
    for kind, path in wanted.items():
        assert [place["file"] for place in found[kind]["places"]] == [str(path)], kind
        assert f" {kind}: " in done.stdout
    assert found["near-leak"]["count"] == 1 and found["near-leak"]["places"][0]["like"].endswith(
        f"{ids(year, 'train')[4]}.jpg"
    )
    assert "ufo" in found["untrained"]["sentence"]
    assert not record["healthy"] and "Training would suffer" in done.stdout
    assert "ufo" in (tmp_path / "out/index.html").read_text("utf-8")


def test_missing_images_and_splits_by_their_specs(year, tmp_path):
    (year / "JPEGImages" / f"{ids(year, 'val')[0]}.jpg").unlink()
    (tmp_path / "classes.txt").write_text("\n".join(SAMPLE_CLASSES))
    lists = [tmp_path / name for name in ("one.txt", "two.txt")]
    for path, split in zip(lists, ("train", "val"), strict=True):
        lines = [f"VOC2007/JPEGImages/{name}.jpg 1,1,90,90,0\n" for name in ids(year, split)]
        path.write_text("".join(lines))
    done = script("doctor.py", "--data", *lists, "--classes", "classes.txt", cwd=tmp_path, status=1)
    header = done.stdout.splitlines()[0]
    assert header.split() == ["one.txt", "two.txt"]
    assert "SERIOUS missing: 1 image does not exist (two.txt 1)" in done.stdout


def test_a_folder_of_the_users_is_not_written_to(year, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("mine")
    message = refused(capsys, "doctor.py", "--data", f"{year}:train", "--output", tmp_path / "mine")
    assert "contains files of yours: name another folder" in message
    assert (tmp_path / "mine/index.html").read_text() == "mine"


def test_its_own_folder_is_written_again(sound, tmp_path):
    for seed in (0, 1):
        script("doctor.py", "--data", f"{sound}/VOC2007:train", "--seed", seed, cwd=tmp_path)
    assert len(list((tmp_path / "doctor_out").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the data: --train"),
        (["--data", "nowhere.txt"], "nowhere.txt does not exist"),
        (["--data", "a", "a"], "--data names a twice"),
        (["--data", "a", "--workers", "0"], "--workers must be at least 1"),
        (["--data", "a", "--image-size", "0", "640"], "--image-size"),
        (["--data", "a", "--classes", "none.txt"], "none.txt"),
    ],
)
def test_wrong_usage_is_told(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "doctor.py", *arguments)
    assert list(tmp_path.iterdir()) == []


@needs_shared
def test_bccd(tmp_path):
    """Its two empty boxes and seven doubled ones are known; no image is in two splits."""
    root = SHARED / "data/bccd/VOCdevkit/VOC2007"
    done = script("doctor.py", "--train", f"{root}:train", "--val", f"{root}:val", cwd=tmp_path)
    assert "2 annotations are broken (empty 2)" in done.stdout
    assert "6 boxes cover an object that already has a box of the same class (train 4, val 2)" in done.stdout
    assert "leak" not in done.stdout
