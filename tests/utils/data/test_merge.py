"""Several data sets as one."""

import numpy as np
import pytest

from tests.helpers import SHARED, needs_shared
from utils.data.index import ImageRecord, build_index
from utils.data.merge import join_indexes, relabel
from utils.data.notes import CLASSES_DIFFER, IMAGES_REPEATED, OTHER_CLASSES, counts_by_subject
from utils.formats.read_data import read_many


def index_of(names, *images):
    """An index of images (path, labels); a box for each label, its number in it."""
    return build_index(
        [
            ImageRecord(
                path,
                np.array([[0, 0, 1 + label, 2] for label in labels], np.float32).reshape(-1, 4),
                np.array(labels, np.int32),
                difficult=np.array(labels, bool),
                size=(9, 8),
            )
            for path, labels in images
        ],
        names,
    )


def content(index):
    """(path, names of the objects, their widths) of each image."""
    found = []
    for image in range(len(index)):
        span = index.span(image)
        names = [index.class_names[label] for label in index.labels[span]]
        found.append((str(index.path(image)), names, index.boxes[span, 2].tolist()))
    return found


A = index_of(("cat", "dog"), ("/a", [1, 0]), ("/b", []))
B = index_of(("fox", "dog", "cow"), ("/c", [0, 1]), ("/图", [1]))


def test_classes_are_matched_by_name():
    joined = join_indexes([A, B])
    assert joined.class_names == ("cat", "dog", "fox", "cow")
    assert content(joined) == [
        ("/a", ["dog", "cat"], [2, 1]),
        ("/b", [], []),
        ("/c", ["fox", "dog"], [1, 2]),
        ("/图", ["dog"], [2]),
    ]
    assert joined.labels.tolist() == [1, 0, 2, 1, 1]
    assert joined.difficult.tolist() == [True, False, False, True, True]
    assert joined.sizes.tolist() == [[9, 8]] * 4
    (note,) = joined.notes
    assert (note.kind, note.number) == (CLASSES_DIFFER, 2)
    assert note.problems == (("data set 1", "lacks fox, cow"), ("data set 2", "lacks cat"))


def test_another_order_is_told_too():
    joined = join_indexes([A, index_of(("dog", "cat"), ("/c", [0]))])
    assert joined.notes[0].problems == (("data set 2", "has them in another order"),)
    assert joined.labels.tolist() == [1, 0, 1]


def test_the_same_classes_are_joined_without_a_word():
    joined = join_indexes([A, index_of(("cat", "dog"), ("/c", [0]))])
    assert len(joined) == 3 and joined.notes == ()


def test_other_classes_are_skipped_and_noted():
    joined = join_indexes([A, B], ("dog", "cat"), ["one", "two"])
    assert joined.class_names == ("dog", "cat") and joined.labels.tolist() == [0, 1, 0, 0]
    assert counts_by_subject(joined.notes, OTHER_CLASSES) == {"fox": 1}
    assert joined.notes[0].problems[0].file == "two"
    with pytest.raises(ValueError, match=r"no object of B belongs.*dog \(2\), fox \(1\)"):
        relabel(B, ("cat",), "B")
    assert len(relabel(index_of(("fox",), ("/a", [])), ("cat",), "B")) == 1  # no objects to match


def test_of_an_image_that_is_there_twice_the_first_is_kept():
    again = index_of(("cat", "dog"), ("/x/../a", [0]), ("/c", [0]), ("/b", [0]))
    joined = join_indexes([A, again])
    (note,) = joined.notes
    assert (note.kind, note.number, note.problems[0].file) == (IMAGES_REPEATED, 2, "/a")
    assert [(path, len(names)) for path, names, _ in content(joined)] == [("/a", 2), ("/b", 0), ("/c", 1)]


def test_several_specs(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name}.jpg 1,2,3,4,0\n")
    specs = [str(tmp_path / f"{name}.txt") for name in "ab"]
    assert [path for path, _, _ in content(read_many(specs, ["cat"]))] == [
        str(tmp_path / f"{name}.jpg") for name in "ab"
    ]
    (tmp_path / "twice.txt").write_text("c.jpg\nc.jpg\n")
    assert len(read_many([str(tmp_path / "twice.txt")], ["cat"])) == 2  # one data set is as it stands
    assert len(read_many([specs[0]] * 2, ["cat"])) == 1
    with pytest.raises(ValueError, match="no data set is named"):
        read_many([])


@needs_shared
def test_real_files():
    specs = [
        str(SHARED / "data" / "chess" / split / "_annotations.coco.json")
        for split in ("train", "valid", "test")
    ]
    parts = [read_many([spec]) for spec in specs]
    joined = read_many(specs)
    assert (len(joined), len(joined.boxes)) == (sum(map(len, parts)), sum(len(part.boxes) for part in parts))
