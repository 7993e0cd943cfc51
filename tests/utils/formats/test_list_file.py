"""The list files: old form, tab form, and what people get wrong."""

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.index import ARRAYS, flat_index
from utils.data.notes import IMAGES_SKIPPED, IMAGES_SPLIT, OBJECTS_SKIPPED
from utils.formats import list_file
from utils.formats.list_file import read_list, write_list
from utils.system.files import text_blocks

NAMES = ("cat", "dog", "fox")


def read(folder: Path, text: str):
    (folder / "list.txt").write_text(text, encoding="utf-8")
    return read_list(folder / "list.txt", NAMES)


def test_reads_the_form_that_all_know(tmp_path):
    index = read(tmp_path, "/d/a.jpg 1,2,3,4,0 5,6,7,8,2\n/d/b.jpg\n\n/d/c.jpg 1,2,9,9,1")
    assert [str(index.path(image)) for image in range(3)] == ["/d/a.jpg", "/d/b.jpg", "/d/c.jpg"]
    assert np.diff(index.box_offsets).tolist() == [2, 0, 1]
    assert index.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 9, 9]]
    assert index.labels.tolist() == [0, 2, 1]
    assert index.class_names == NAMES


def test_an_image_whose_boxes_are_spread_over_lines_is_told(tmp_path):
    again = "/d/a.jpg 1,2,3,4,0\n/d/b.jpg\n"
    assert read(tmp_path, again * 3).notes == ()  # seen more often
    (note,) = read(tmp_path, again + "/d/a.jpg 5,6,7,8,2\n").notes
    assert (note.kind, note.number) == (IMAGES_SPLIT, 1) and note.problems[0].reason.startswith("/d/a.jpg")


@pytest.mark.parametrize(
    ("line", "path", "boxes"),
    [
        ("/my images/a.jpg 1,2,3,4,0", "/my images/a.jpg", 1),
        ("/my images/a.jpg", "/my images/a.jpg", 0),
        ("/two  spaces/a.jpg  1,2,3,4,0  1,2,3,4,0", "/two  spaces/a.jpg", 2),
        ("/a,b/c,1,2,3,4.jpg 1,2,3,4,0", "/a,b/c,1,2,3,4.jpg", 1),
        ("/图 片/猫.png 1,2,3,4,0", "/图 片/猫.png", 1),
        ("/a.jpg b.jpg 1,2,3,4,0", "/a.jpg b.jpg", 1),
        ("/a 1,2,3,4,0\t5,6,7,8,1", "/a 1,2,3,4,0", 1),
        ("/a 1,2,3,4,0\t", "/a 1,2,3,4,0", 0),
        ("/a.jpg\t1,2,3,4,0 5,6,7,8,1", "/a.jpg", 2),
        ("/no_suffix 1,2,3,4,0", "/no_suffix", 1),
    ],
)
def test_finds_where_the_path_ends(tmp_path, line, path, boxes):
    index = read(tmp_path, line + "\n")
    assert (str(index.path(0)), len(index.boxes)) == (path, boxes)


def test_reads_floats_signs_byte_order_mark_and_windows_line_ends(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf/a.jpg -1.5,2.25,+3,1e2,1.0\r\n/b.jpg\r\n")
    index = read_list(tmp_path / "list.txt", NAMES)
    assert index.boxes.tolist() == [[-1.5, 2.25, 3, 100]]
    assert index.labels.tolist() == [1]
    assert str(index.path(0)) == "/a.jpg"


def test_relative_paths_start_at_the_list(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert read(tmp_path, "images/a.jpg").path(0) == tmp_path / "images" / "a.jpg"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/a.jpg 1,2,3,4,3", r"class 3 in 1,2,3,4,3, but there are 3 classes: 0 to 2"),
        ("/a.jpg 1,2,3,4,-1", "class -1"),
        ("/a.jpg 1,2,3,4,0.5", "class 0.5"),
        ("/a.jpg 3,2,1,4,0", "empty, inverted"),
        ("/a.jpg 1,2,1,4,0", "empty, inverted"),
        ("/a.jpg 1,2,1e39,4,0", "too large"),
        ("/a.jpg 1,2,3,4", "'1,2,3,4' is not a box"),
        ("/a.jpg 1,2,3,4,cat", "'1,2,3,4,cat' is not a box"),
        ("/a.jpg 1,2,nan,4,0", "is not a box"),
        ("/a.jpg 1.2.3,2,3,4,0", "is not a box"),
        ("/a.jpg\t1,2,3,4,0,7", "'1,2,3,4,0,7' is not a box"),
        ("1,2,3,4,0", "no image path"),
        ("\t1,2,3,4,0", "no image path"),
    ],
)
def test_a_bad_line_or_box_is_skipped_and_named(tmp_path, line, message):
    index = read(tmp_path, f"/good.jpg 1,2,3,4,0\n{line}\n")
    (note,) = index.notes
    assert note.kind in (IMAGES_SKIPPED, OBJECTS_SKIPPED) and len(index.boxes) == 1
    assert len(index) == (1 if note.kind == IMAGES_SKIPPED else 2)
    (problem,) = note.problems
    assert problem.file == str(tmp_path / "list.txt") and problem.reason.startswith("line 2: ")
    assert re.search(message, problem.reason)


def test_classes_counted_from_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"list\.txt: class numbers go from 1 to 3, as if counted from 1"):
        read(tmp_path, "/a.jpg 1,2,3,4,1 1,2,3,4,2 1,2,3,4,3 5,6,7,8,1\n")


def test_fractions_are_refused(tmp_path):
    boxes = " ".join([".1,.2,.5,.6,0"] * 4)
    with pytest.raises(ValueError, match=r"4 of 4 boxes have no coordinate above 1.*This format has pixels"):
        read(tmp_path, f"/a.jpg {boxes}\n")
    assert len(read(tmp_path, f"/a.jpg {boxes} 1,2,3,4,0\n").boxes) == 5


@pytest.mark.skipif(os.sep != "/", reason="on Windows, both slashes separate folders")
def test_backslashes_separate_folders_unless_the_file_is_there(tmp_path):
    (tmp_path / "a\\b.jpg").touch()
    index = read(tmp_path, "a\\b.jpg\nimages\\c.jpg\n")
    assert list(index.paths()) == [str(tmp_path / "a\\b.jpg"), str(tmp_path / "images" / "c.jpg")]


def test_if_most_are_bad_they_are_named_together_up_to_ten(tmp_path):
    text = "".join(f"/{i}.jpg 1,2,3,4,{i}\n" for i in range(15))
    with pytest.raises(ValueError) as error:
        read(tmp_path, text)
    message = str(error.value)
    assert "line 3:" not in message  # class 2 is the last of three
    assert "line 4:" in message and "line 13:" in message and "line 14:" not in message
    assert "and 2 more" in message  # classes 3 to 14 are bad: twelve lines


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_refuses_an_empty_list(tmp_path, text):
    with pytest.raises(ValueError, match=r"list\.txt is empty"):
        read(tmp_path, text)


def test_refuses_what_is_no_text(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_list(tmp_path / "list.txt", NAMES)


def test_writes_the_old_form_unless_the_path_needs_the_other(tmp_path):
    boxes = np.array([[1, 2, 3.5, 4], [5, 6, 7, 8], [1, 2, 3, 4]])
    index = flat_index(NAMES, ["/a.jpg", "/a b.jpg", "/c d.jpg"], [2, 1, 0], boxes, np.array([0, 2, 1]))
    write_list(tmp_path / "new" / "list.txt", index)
    text = (tmp_path / "new" / "list.txt").read_bytes().decode()
    assert text == "/a.jpg 1,2,3.5,4,0 5,6,7,8,2\n/a b.jpg\t1,2,3,4,1\n/c d.jpg\t\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["list.txt"]


@pytest.mark.parametrize("path", ["/a\tb.jpg", "/a\nb.jpg", "/a\rb.jpg"])
def test_refuses_to_write_a_path_that_breaks_the_line(tmp_path, path):
    index = flat_index(NAMES, [path], [0], np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(ValueError, match="rename"):
        write_list(tmp_path / "list.txt", index)
    assert not any(tmp_path.iterdir())


paths = st.text(st.characters(exclude_characters="\t\n\r\0/\\", exclude_categories=["Cs"]), min_size=1)
corners = st.floats(-1e6, 1e6, width=32)
boxes = st.tuples(corners, corners, st.floats(0.25, 1e6, width=32), st.floats(0.25, 1e6, width=32))
images = st.lists(st.tuples(paths, st.lists(st.tuples(boxes, st.integers(0, 2)), max_size=3)), min_size=1)


@given(images)
def test_what_is_written_reads_back_the_same(tmp_path_factory, content):
    rows = [box for _, image in content for box in image]
    table = np.array([[x, y, x + w, y + h] for (x, y, w, h), _ in rows], np.float32).reshape(-1, 4)
    labels = np.array([label for _, label in rows], np.int32)
    names = [str(Path("/root") / path) for path, _ in content]
    index = flat_index(NAMES, names, [len(image) for _, image in content], table, labels)
    file = tmp_path_factory.getbasetemp() / "round.txt"
    write_list(file, index)
    again = read_list(file, NAMES)
    assert [again.path(i) for i in range(len(again))] == [index.path(i) for i in range(len(index))]
    for name in ("box_offsets", "boxes", "labels", "areas"):
        assert np.array_equal(getattr(again, name), getattr(index, name)), name


@given(st.one_of(st.text(), st.text("/a.jpg1,0-e \t\n", max_size=80), st.binary()))
def test_any_file_gives_an_index_or_a_value_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        index = read_list(file, NAMES)
    except ValueError:
        return
    assert len(index) > 0
    assert np.isfinite(index.boxes).all() and (index.boxes[:, 2:] > index.boxes[:, :2]).all()
    assert ((index.labels >= 0) & (index.labels < 3)).all()


numbers = st.sampled_from(
    ["0", "1", "20", "3.5", "-4", "+5", "1e2", "1e99", ".5", "7.", "1.2.3", "1e", "", "nan"]
)
box_words = st.one_of(st.just("1,2,30,40,0"), st.lists(numbers, min_size=4, max_size=6).map(",".join))
spaces = st.sampled_from([" ", " ", " ", "  ", "\t", "\xa0", "\u3000", "\x1c", "\0"])
heads = st.sampled_from(
    ["/d/a.jpg", "b.png", "./c//d.jpg", "图/猫.webp", "e", "", "1,2,3,4,0", "f/.", "..", "\ufeffg"]
)
words = st.one_of(box_words, heads, st.text("/a.jpg1,0-e", max_size=8))
odd_lines = st.lists(st.tuples(words, spaces), max_size=5).map(lambda parts: "".join(w + s for w, s in parts))
plain_lines = st.tuples(heads, st.lists(box_words, max_size=3)).map(
    lambda line: " ".join([line[0], *line[1]])
)
good_lines = st.sampled_from(["/d/a.jpg 1,2,30,40,0 5,6,7,8.5,2", "b.png 1,2,30,40,1", "图/猫.webp"])
many_lines = st.lists(st.one_of(good_lines, good_lines, plain_lines, odd_lines), max_size=12)
line_ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])


def outcome(file):
    """The arrays of the index, or the message."""
    try:
        index = read_list(file, NAMES)
    except ValueError as error:
        return str(error)
    return {name: getattr(index, name).tolist() for name in ARRAYS}


@given(many_lines, line_ends, st.sampled_from(["", "\n", "\ufeff"]), st.integers(1, 60))
def test_plain_lines_and_blocks_mean_what_care_with_the_whole_text_finds(
    tmp_path_factory, lines, end, edge, size
):
    file = tmp_path_factory.getbasetemp() / "both.txt"
    file.write_bytes(((edge if edge != "\n" else "") + end.join(lines) + edge.strip("\ufeff")).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_file, "text_blocks", partial(text_blocks, size=size))
        quick = outcome(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_file, "_plain_line", list_file._careful_line)
        assert quick == outcome(file)


@given(st.text("/.aé ", max_size=12), st.sampled_from(["/", "/d", "/d/e f"]))
def test_paths_are_joined_as_pathlib_does(path, start):
    folders = list_file._Folders(Path(start))
    for _ in range(2):
        assert folders.absolute(path) == str(Path(start) / path)
