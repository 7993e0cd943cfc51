"""The YAML file beside YOLO labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.formats.test_yolo import add, mutated
from tests.utils.fuzzing import fuzz
from utils.data.class_names import FORBIDDEN_CATEGORIES, NON_CHARACTERS, class_name
from utils.formats.read_data import read_data
from utils.formats.yolo_yaml import open_yolo_yaml, read_yolo_yaml, write_yolo_yaml

BOX = "1 .5 .5 1 1\n"


@pytest.fixture
def data(tmp_path):
    """Three splits, one image each: `a` in train, `b` in val and `c` in test."""
    for split, name in (("train", "a"), ("val", "b"), ("test", "c")):
        add(tmp_path / "data" / split, f"{name} 图.jpg", BOX)
    return tmp_path / "data"


def write(data, text):
    (data / "my.yaml").write_text(text, encoding="utf-8")
    return data / "my.yaml"


def names_in(index):
    return [index.path(image).name[0] for image in range(len(index))]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("train/images", "a"),
        ("train/images/", "a"),
        ("../train/images", "a"),  # as Roboflow writes it
        ("[train/images, val/images]", "ab"),
        ("\n  - train/images\n  - list.txt", "acb"),
        ("list.txt", "cb"),
        (".", "cab"),  # test, train and val, in this order
    ],
)
def test_places_of_a_split(data, place, found):
    (data / "list.txt").write_text("./test/images/c 图.jpg\n\nval/images/b 图.jpg\n", encoding="utf-8")
    index = read_yolo_yaml(write(data, f"train: {place}\nnames: [cat, dog]\n"), "train")
    assert "".join(names_in(index)) == found
    assert index.class_names == ("cat", "dog") and index.labels.tolist() == [1] * len(found)


def test_the_path_starts_at_the_folder_of_the_yaml(data, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "elsewhere").mkdir()
    for root in ("../data", str(data)):
        path = write(tmp_path / "elsewhere", f"path: {root}\nval: val/images\nnames: [cat, dog]\ntest:\n")
        assert names_in(read_yolo_yaml(path, "val")) == ["b"]
        with pytest.raises(ValueError, match=r"no split 'test'; it has .*my\.yaml:val"):
            read_yolo_yaml(path, "test")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[cat, 红 灯]", ("cat", "红 灯")),
        ("\n  - no\n  - 1e3\n  - 007\n  - null\nnc: 4", ("no", "1e3", "007", "null")),
        ("{1: dog, 0: cat}", ("cat", "dog")),
        ("\n  0: 'a: b'\n  1: \"c # d\"\nnc: 2", ("a: b", "c # d")),
    ],
)
def test_class_names_stay_as_they_are_written(data, names, expected):
    assert open_yolo_yaml(write(data, f"train: train/images\nnames: {names}\n")).class_names == expected


def test_class_names_that_are_given_are_matched_by_name(data):
    path = write(data, "train: train/images\nnames: [cat, dog]\n")
    assert read_yolo_yaml(path, "train", ["dog", "fox"]).labels.tolist() == [0]
    with pytest.raises(ValueError, match=r"my\.yaml:train.*dog \(1\)"):
        read_yolo_yaml(path, "train", ["fox", "cat"])
    without = write(data, "train: train/images\n")
    assert read_yolo_yaml(without, "train", ["dog", "fox"]).labels.tolist() == [1]  # numbers as they stand
    with pytest.raises(ValueError, match="--classes"):
        read_yolo_yaml(without, "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: train/images\nnames: [cat, dog", r"not whole YAML \(line 2: .*: was it cut off"),
        ("train: 'train/images\n", "not whole YAML"),
        ("names: *nothing", "not whole YAML"),
        ("a: \x01", "not whole YAML"),
        ("? [a]\n: b\n", "not whole YAML"),  # a key that is a list
        ("[" * 10_000, "not whole YAML"),
        ("", "neither names: nor train:"),
        ("- train", "neither names: nor train:"),
        ("train", "neither names: nor train:"),
        ("train: {a: b}", "train: is neither a path nor"),
        ("train: [[a]]", "train: is neither a path nor"),
        ("train: &a [*a]", "not whole YAML"),  # a list within itself
        ("train: t\npath: [a]", "path: is not the path"),
        ('train: "a\\0b"', "train: is neither a path nor"),
        ("names: cat", "names: is neither a list"),
        ("names: [[cat]]", "class 0: a class name is not text"),
        ("names: ['']", "class name '' is empty"),
        ('names: ["a\\nb"]', "has control characters"),
        ("names: [cat]\nkpt_shape: [x, 3]\ntrain: t", "kpt_shape: is"),
        ("names: [cat]\nkpt_shape: [4, 5]\ntrain: t", "kpt_shape: is .*number of keypoints, 2 or 3"),
        ("names: {0: cat, 2: dog}", "do not go from 0 to 1"),
        ("names: {a: cat}", "a key that is not a number"),
        ("names: [cat, dog, cat]", "'cat' more than once"),
        ("names: [cat, dog]\nnc: 3", "nc: is '3', but there are 2 names"),
        ("names: [cat]\nnc: [1]", "nc: is"),
        ("names: [cat, dog]\ntrain: nowhere", r"names nowhere, but .*data.nowhere is neither"),
        ("names: [cat, dog]\ntrain: my.yaml", "names my.yaml, but"),
        ("names: [cat, dog]\ntrain: train/labels", "which contains no image"),
        ("names: [cat, dog]\ntrain: none.txt\n", "names none.txt, but"),
        ("names: [cat, dog]\ntrain: []", r"no split 'train'"),
        ("names: [cat]\ntrain: train/images", "class 1 in"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(data, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_yolo_yaml(write(data, text), "train")
    assert "my.yaml" in str(error.value)


@pytest.mark.filterwarnings("ignore:.*none of 1 images has a label file")
def test_a_list_may_name_anything(data):
    path = write(data, "train: list.txt\nnames: [cat, dog]\n")
    for line, message in (
        ("x" * 300 + ".jpg", r"1 of 1 images of .*do not exist|names what cannot be read"),
        ("/".join(["x" * 300] * 2), "names what cannot be read"),
        ("a\0b.jpg", "1 of 1 images of .*my.yaml:train do not exist"),
        ("/", "1 of 1 images"),
    ):
        (data / "list.txt").write_text(line)
        with pytest.raises(ValueError, match=message):
            read_yolo_yaml(path, "train")
    with pytest.raises(ValueError, match="names what cannot be read"):
        read_yolo_yaml(write(data, f"train: {'x' * 300}\nnames: [cat]\n"), "train")


def test_an_alias_does_not_swell(data):
    """Nine levels of ten aliases each would be a billion names."""
    levels = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ValueError, match="class name is not text"):
        open_yolo_yaml(write(data, "\n".join([*levels, "names: *a9"])))


def test_no_object_is_made_of_the_yaml(data):
    with pytest.raises(ValueError, match="neither a path"):
        open_yolo_yaml(write(data, "train: !!python/object/apply:os.system [exit 1]\nnames: 3\ntest: {}"))


letters = st.characters(exclude_categories=FORBIDDEN_CATEGORIES, exclude_characters=NON_CHARACTERS)
valid = st.text(letters).filter(str.strip)
names = st.lists(valid.map(class_name), unique=True, min_size=1)


@given(names)
def test_what_is_written_reads_back_the_same(tmp_path_factory, class_names):
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    write_yolo_yaml(path, class_names, {"train": "train.txt"})
    data = open_yolo_yaml(path)
    assert data.class_names == tuple(class_names) and data.splits == {"train": ["train.txt"]}


REAL = (
    "path: ../data\ntrain: train/images\nval: [val/images, list.txt]\nnc: 2\nnames:\n  0: cat\n  1: 'dog'\n"
)
near = st.builds(
    mutated,
    st.just(REAL),
    st.integers(0, 99),
    st.integers(0, 9),
    st.text("[]{}&*!|>'\"%@:,-? \n\t0\0", max_size=4),
)


@fuzz
@given(st.one_of(near, st.text(), st.binary(max_size=60)))
def test_any_file_gives_an_index_or_a_value_error(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "fuzz yaml" / "data"
    if not folder.exists():
        for split in ("train", "val"):
            add(folder / split, "a.png", BOX)
    path = folder / "my.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    for split in ("train", "val"):
        try:
            index = read_yolo_yaml(path, split)
        except ValueError:
            continue
        assert len(index) > 0 and len(index.class_names) > 0


def test_pose_data_has_keypoints_after_the_box(data):
    label = next((data / "train" / "labels").iterdir())
    label.write_text("0 .5 .5 .2 .4 .4 .4 2 .6 .6 1\n")
    index = read_yolo_yaml(write(data, "train: train/images\nnames: [cat]\nkpt_shape: [2, 3]\n"), "train")
    assert index.boxes.tolist() == [[80, 30, 120, 70]] and index.notes == ()


def test_paths_with_backslashes(data):
    text = "path: .\ntrain: train\\images\nval: list.txt\nnames: [cat, dog]\n"
    (data / "list.txt").write_text("val\\images\\b 图.jpg\n", encoding="utf-8")
    assert names_in(read_yolo_yaml(write(data, text), "train")) == ["a"]
    assert names_in(read_yolo_yaml(write(data, text), "val")) == ["b"]


def test_darknet_files(data):
    (data / "obj.names").write_text("cat\ndog\n")
    (data / "list.txt").write_text("train/images/a 图.jpg\ndata/val/images/b 图.jpg\n", encoding="utf-8")
    file = data / "obj.data"
    file.write_text("classes = 2\ntrain = data/list.txt\nvalid =\nnames = data/obj.names\nbackup = backup/\n")
    index = read_data(f"{file}:train")
    assert (names_in(index), index.class_names, index.labels.tolist()) == (["a", "b"], ("cat", "dog"), [1, 1])
    with pytest.raises(ValueError, match=r"obj\.data holds splits: name one of them.*obj\.data:train"):
        read_data(str(file))
    assert names_in(read_data(str(data / "list.txt"), ("cat", "dog"))) == ["a", "b"]  # a list of images alone
    file.write_text("hello")
    with pytest.raises(ValueError, match="does not describe Darknet data"):
        read_data(f"{file}:train")
