"""voc_annotation.py as a user runs it."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT, SHARED, needs_shared
from tests.utils.formats.voc_folder import add_image, add_split, xml

BOX = (10, 20, 30, 40)
SPLITS = ("train", "val", "trainval", "test")


def annotate(folder, *arguments, status=0):
    """Run the script in `folder` with the defaults of the tests; returns what it printed."""
    command = [sys.executable, str(ROOT / "voc_annotation.py"), "--devkit", "VOCdevkit", "--output", "lists"]
    run = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == status, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    return run.stdout + run.stderr


@pytest.fixture
def data(tmp_path):
    """Ten images with a cat or a dog each, in one year."""
    root = tmp_path / "VOCdevkit" / "VOC2007"
    for number in range(10):
        add_image(root, f"image {number}", xml([("dog" if number % 2 else "cat", BOX)]))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    return tmp_path


def ids(folder, split):
    return (folder / "VOCdevkit/VOC2007/ImageSets/Main" / f"{split}.txt").read_text().splitlines()


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*.txt")}


def test_divides_and_lists(data):
    output = annotate(data, "--classes", "classes.txt")
    # 10 images: .9 of them are 9, of which .9 are 8
    assert [len(ids(data, split)) for split in SPLITS] == [8, 1, 9, 1]
    lines = (data / "lists/2007_train.txt").read_text().splitlines()
    assert len(lines) == 8
    folder = data / "VOCdevkit/VOC2007/JPEGImages"
    for name, line in zip(ids(data, "train"), lines, strict=True):
        label = int(name.split()[1]) % 2
        assert line == f"{folder / name}.jpg\t10,20,30,40,{label}"
    assert len((data / "lists/2007_val.txt").read_text().splitlines()) == 1
    assert "no problems" in output


def test_runs_again_to_the_same_bytes(data):
    annotate(data, "--classes", "classes.txt")
    first = files(data)
    annotate(data, "--classes", "classes.txt")
    assert files(data) == first
    annotate(data, "--classes", "classes.txt", "--seed", "1")  # its own division may be made anew
    assert files(data) != first


def test_modes_write_what_they_say(data):
    annotate(data, "--mode", "split")
    assert not (data / "lists").exists()
    divided = files(data)
    annotate(data, "--classes", "classes.txt", "--mode", "lists")
    assert {path.name for path in set(files(data)) - set(divided)} == {"2007_train.txt", "2007_val.txt"}
    assert all(files(data)[path] == content for path, content in divided.items())


def test_lists_need_a_split(data):
    output = annotate(data, "--classes", "classes.txt", "--mode", "lists", status=2)
    assert "train.txt does not exist" in output and "--mode split" in output


def test_several_years_and_sets(data):
    add_image(data / "VOCdevkit" / "VOC2012", "a", xml([("cat", BOX)]))
    add_split(data / "VOCdevkit" / "VOC2012", "night", "a")
    output = annotate(data, "--classes", "classes.txt", "--sets", "2007:trainval", "2007:test", "2012:night")
    names = {path.name for path in (data / "lists").iterdir()}
    assert names == {"2007_trainval.txt", "2007_test.txt", "2012_night.txt"}
    header = next(line for line in output.splitlines() if "2007_trainval" in line)
    assert header.split() == ["2007_trainval", "2007_test", "2012_night"]


def test_a_split_made_by_hand_is_kept_unless_told_otherwise(data):
    for split, number in (("train", "image 1"), ("val", "image 2")):
        add_split(data / "VOCdevkit" / "VOC2007", split, number)
    before = files(data / "VOCdevkit")
    output = annotate(data, "--classes", "classes.txt")
    assert files(data / "VOCdevkit") == before
    assert "train 1, val 1): kept; 8 images with XML are in none of its lists. --overwrite-splits" in output
    assert len((data / "lists/2007_train.txt").read_text().splitlines()) == 1
    assert "--overwrite-splits" in annotate(data, "--mode", "split", status=2)
    assert files(data / "VOCdevkit") == before
    annotate(data, "--mode", "split", "--overwrite-splits")
    assert len(ids(data, "train")) == 8


def test_reports_all_that_is_broken_and_keeps_the_rest(data):
    root = data / "VOCdevkit" / "VOC2007"
    add_image(root, "good", xml([("cat", BOX), ("dog", (90, 70, 120, 90)), ("dog", BOX, 1)]))
    add_image(root, "bad", xml([("cat", (9, 9, 1, 1)), ("cat", (5, 5, 5, 9)), ("cat", (300, 1, 310, 9))]))
    add_image(root, "strange", xml([("bird", BOX), ("bird", BOX)]))
    add_image(root, "cut", "<annotation><object>")
    add_image(root, "no xml")
    (root / "Annotations" / "no image.xml").write_text(xml([("cat", BOX)]))
    add_split(root, "train", "good", "bad", "strange", "cut", "no xml", "no image", "nothing")
    add_split(root, "val", "good", "image 1")
    output = annotate(data, "--classes", "classes.txt")
    for line in [
        "VOC2007/Annotations/bad.xml: box 9, 9, 1, 1 is inverted",
        "VOC2007/Annotations/bad.xml: box 5, 5, 5, 9 is empty",
        "VOC2007/Annotations/bad.xml: box 300, 1, 310, 9 is outside the image of 100x80",
        "VOC2007/Annotations/strange.xml: class not in the list: bird (2)",
        "VOC2007/Annotations/cut.xml: unreadable XML",
        "VOC2007/Annotations/no xml.xml: no such XML for the image no xml.jpg",
        "VOC2007/Annotations/no image.xml: no image no image.*",
        "VOC2007/Annotations/nothing.xml: no image nothing.*",
        "2007_train.txt: 1 images are also in 2007_val.txt, for example good.jpg",
        "lacks: bird (2)",
        "9 problems:",
    ]:
        assert line in output
    table = {line.rsplit(None, 2)[0].strip(): line.split()[-2:] for line in output.splitlines() if line}
    assert table["images"] == ["3", "2"]
    assert table["without objects"] == ["2", "0"]
    assert table["objects"] == ["2", "3"]
    assert table["dog"] == ["1", "2"]
    assert table["difficult, skipped"] == ["1", "1"]
    assert table["of other classes, skipped"] == ["2", "0"]
    assert table["clipped at the image border"] == ["1", "1"]
    folder = root / "JPEGImages"
    assert (data / "lists/2007_train.txt").read_text().splitlines() == [
        f"{folder / 'good.jpg'} 10,20,30,40,0 90,70,100,80,1",
        f"{folder / 'bad.jpg'}",
        f"{folder / 'strange.jpg'}",
    ]


def test_options_for_difficult_objects_and_images_without_xml(data):
    root = data / "VOCdevkit" / "VOC2007"
    add_image(root, "a", xml([("dog", BOX, 1)]))
    add_image(root, "b")
    add_split(root, "train", "a", "b")
    arguments = ("--classes", "classes.txt", "--sets", "2007:train")
    output = annotate(data, *arguments, status=2)
    assert "2007_train.txt would contain no box" in output and "--keep-difficult" in output
    assert not (data / "lists").exists()
    annotate(data, *arguments, "--keep-difficult", "--empty-without-xml")
    assert (data / "lists/2007_train.txt").read_text() == (
        f"{root / 'JPEGImages' / 'a.jpg'} 10,20,30,40,1\n{root / 'JPEGImages' / 'b.jpg'}\n"
    )


@pytest.mark.parametrize("classes", ["other.txt", "missing.txt"])
def test_names_in_the_xml_are_given_where_the_class_list_does_not_fit(data, classes):
    (data / "other.txt").write_text("bird\n")
    output = annotate(data, "--classes", classes, "--sets", "2007:trainval", "2007:test", status=2)
    assert "cat (5), dog (5)" in output and "\ncat\ndog\n" in output and classes in output
    assert not (data / "lists").exists()


def test_problems_beyond_the_limit_are_counted(data):
    for number in range(10, 15):
        add_image(data / "VOCdevkit" / "VOC2007", f"image {number}")
    output = annotate(data, "--classes", "classes.txt", "--show", "2")
    assert "5 problems:" in output and "and 3 more: --show 0 lists all" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sets", "2010:train"], "years in --devkit: VOC2007"),
        (["--sets", "2007"], "--sets 2007: write year:split"),
        (["--devkit", "nowhere"], "--devkit"),
        (["--train-percent", "90"], "--train-percent is 90"),
        (["--mode", "3"], "--mode"),
    ],
)
def test_wrong_usage_is_told(data, arguments, message):
    assert message in annotate(data, "--classes", "classes.txt", *arguments, status=2)


@needs_shared
def test_bccd_with_its_own_split(tmp_path):
    bccd = SHARED / "data" / "bccd"
    arguments = [
        "--devkit",
        str(bccd / "VOCdevkit"),
        "--classes",
        str(bccd / "classes.txt"),
        "--mode",
        "lists",
    ]
    annotate(tmp_path, *arguments, "--sets", "2007:train", "2007:val", "2007:test")
    lists = [(tmp_path / "lists" / f"2007_{split}.txt").read_text() for split in ("train", "val", "test")]
    assert [len(text.splitlines()) for text in lists] == [205, 87, 72]
