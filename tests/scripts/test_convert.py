"""convert.py as a user runs it."""

import json
import shlex

import numpy as np
import pytest

from tests.helpers import SHARED, needs_shared
from tests.scripts.running import accepted, refused, script
from tests.utils.formats.voc_folder import add_image, add_split, xml
from utils.data.class_names import read_classes
from utils.formats.read_data import read_data

BOX = (10, 20, 30.5, 40)


@pytest.fixture
def voc(tmp_path):
    """Two images with a Chinese name and a space; a difficult object, and an image without objects."""
    root = tmp_path / "VOC2007"
    add_image(root, "图 a", xml([("red 狐", BOX), ("cat", BOX, 1)]))
    add_image(root, "b", xml())
    add_split(root, "train", "图 a", "b")
    return root


def printed_spec(output):
    """Flag, spec and classes of the command that is printed last; the other data is the user's."""
    words = shlex.split(output.strip().splitlines()[-1])
    assert words[:2] == ["python", "train.py"]
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    classes = read_classes(flags.pop("--classes"))
    assert {"--train", "--val"} <= flags.keys()
    ((flag, spec),) = ((name, value) for name, value in flags.items() if not value.endswith("_DATA"))
    return flag, spec, classes


@pytest.mark.parametrize("target", ["voc", "coco", "yolo", "list"])
def test_what_is_printed_can_be_read(voc, tmp_path, capsys, target):
    folder = tmp_path / "new 数据"
    output = accepted(capsys, "convert.py", f"{voc}:train", "--to", target, "--output", folder)
    flag, spec, classes = printed_spec(output)
    index = read_data(spec, classes)
    assert flag == "--train" and classes == ("cat", "red 狐")
    kept = target in ("voc", "coco")
    assert index.labels.tolist() == ([1, 0] if kept else [1])
    assert index.difficult.tolist() == ([False, True] if kept else [False])
    np.testing.assert_allclose(index.boxes, [BOX] * len(index.boxes), atol=1e-6)
    assert [index.path(image).name for image in range(2)] == ["图 a.jpg", "b.jpg"]
    assert all(index.path(image).is_symlink() for image in range(2))
    lines = [line.strip() for line in output.splitlines()]
    lost = f"1 difficult objects dropped: {target} has no flag for them (--keep-difficult)"
    assert (lost in lines) is not kept


def test_from_the_command_line_in_another_folder(voc, tmp_path):
    """Several data sets, classes in an order of one's own, images left where they are, another split."""
    (tmp_path / "names.txt").write_text("red 狐\ncat\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("VOC2007/JPEGImages/b.jpg 1,2,3,4,1\nnew.jpg 5,6,7,8,0\n")
    (tmp_path / "new.jpg").write_bytes((voc / "JPEGImages" / "b.jpg").read_bytes())
    flags = [
        "--to",
        "coco",
        "--output",
        "out",
        "--classes",
        "names.txt",
        "--images",
        "none",
        "--split",
        "val",
    ]
    done = script("convert.py", "VOC2007:train", "more.txt", *flags, cwd=tmp_path)
    flag, spec, classes = printed_spec(done.stdout)
    assert (flag, classes) == ("--val", ("red 狐", "cat"))
    assert "1 images that occur again, skipped" in done.stdout
    index = read_data(spec)
    assert index.class_names == classes and index.labels.tolist() == [0, 1, 0]
    assert [index.path(image) for image in range(3)] == [
        *(voc / "JPEGImages" / name for name in ("图 a.jpg", "b.jpg")),
        tmp_path / "new.jpg",
    ]
    content = json.loads((tmp_path / "out" / "val.json").read_text(encoding="utf-8"))
    assert content["images"][1] == {
        "id": 2, "file_name": "VOC2007/JPEGImages/b.jpg", "width": 100, "height": 80
    }  # fmt: skip
    assert content["annotations"][1] == {
        "id": 2, "image_id": 1, "category_id": 2, "bbox": [10, 20, 20.5, 20], "area": 410, "iscrowd": 0,
        "difficult": 1,
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["classes.txt", "val.json"]


def test_what_is_written_for_voc_and_yolo(voc, tmp_path, capsys):
    accepted(capsys, "convert.py", f"{voc}:train", "--to", "voc", "--output", tmp_path / "v")
    text = (tmp_path / "v" / "Annotations" / "图 a.xml").read_text(encoding="utf-8")
    for part in ("<width>100</width>", "<name>red 狐</name>", "<xmin>10</xmin>", "<xmax>30.5</xmax>"):
        assert part in text
    accepted(capsys, "convert.py", f"{voc}:train", "--to", "yolo", "--output", tmp_path / "y")
    files = {
        path.relative_to(tmp_path / "y").as_posix(): path.read_text(encoding="utf-8")
        for path in (tmp_path / "y").rglob("*.[ty]*")
    }
    assert files == {
        "data.yaml": "train: train.txt\nnames:\n  0: cat\n  1: red 狐\n",
        "train.txt": "./images/train/图 a.jpg\n./images/train/b.jpg\n",
        "classes.txt": "cat\nred 狐\n",
        "labels/train/图 a.txt": "1 0.2025 0.375 0.205 0.25\n",  # 20.25 of 100, 30 of 80; 20.5 and 20
        "labels/train/b.txt": "",
    }


def test_what_cannot_be_done_is_told_before_anything_is_written(voc, tmp_path, capsys):
    spec, flags = f"{voc}:train", ["--to", "coco", "--output", tmp_path / "out"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "list.txt").write_text("gone.jpg\n")
    for message, arguments in (
        (
            "full exists and is not empty: choose another --output",
            [spec, *flags, "--output", tmp_path / "full"],
        ),
        ("1 of 1 images of", [tmp_path / "list.txt", *flags, "--classes", voc / "names.txt"]),
        ("--classes FILE", [tmp_path / "list.txt", *flags]),
        ("--split must be a plain name", [spec, *flags, "--split", "a/b"]),
        ("splits found: train", [f"{voc}:test", *flags]),
    ):
        (voc / "names.txt").write_text("cat\n")
        assert message in refused(capsys, "convert.py", *arguments)
    assert not (tmp_path / "out").exists() and list((tmp_path / "full").iterdir()) == [
        tmp_path / "full" / "mine"
    ]


@needs_shared
def test_real_coco_annotations(tmp_path, capsys):
    """VOC and YOLO cut what reaches a third of a thousandth of a pixel beyond the border."""
    coco = SHARED / "data" / "coco128"
    spec = f"{coco / 'instances_train128.json'}:{coco / 'images' / 'train2017'}"
    before = read_data(spec)
    border = np.repeat(np.tile(before.sizes[:, ::-1], 2), np.diff(before.box_offsets), axis=0)
    for target, boxes, tolerance in (
        ("coco", before.boxes, 0),
        ("voc", before.boxes.clip(0, border), 0),
        ("yolo", before.boxes.clip(0, border), 1e-6),
    ):
        output = accepted(capsys, "convert.py", spec, "--to", target, "--output", tmp_path / target)
        _, written, classes = printed_spec(output)
        after = read_data(written, classes)
        assert after.class_names == before.class_names and len(after) == 128
        assert np.array_equal(after.labels, before.labels) and np.array_equal(after.sizes, before.sizes)
        np.testing.assert_allclose(after.boxes, boxes, rtol=0, atol=tolerance)
        assert ("boxes clipped at the image border" in output) is (target != "coco")
