"""Class lists as people save them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import ROOT
from utils.data.class_names import (
    class_name,
    class_names_of,
    names_to_paste,
    names_with_counts,
    read_classes,
    write_classes,
)


@pytest.mark.parametrize(
    "content",
    [
        b"cat\nred fox\n",
        b"cat\nred fox",
        b"\xef\xbb\xbfcat\r\nred fox\r\n",
        b"  cat \n\tred fox\n\n\n",
    ],
    ids=[
        "plain",
        "no newline at the end",
        "byte order mark and Windows line ends",
        "spaces, and blank lines at the end",
    ],
)
def test_reads_one_name_a_line(tmp_path, content):
    (tmp_path / "classes.txt").write_bytes(content)
    assert read_classes(tmp_path / "classes.txt") == ("cat", "red fox")


def test_reads_chinese_names(tmp_path):
    (tmp_path / "classes.txt").write_text("人\n红绿灯\n", encoding="utf-8")
    assert read_classes(tmp_path / "classes.txt") == ("人", "红绿灯")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no class name"),
        (b" \n\n", "no class name"),
        (b"cat\ndog\ncat\n", "'cat' more than once"),
        (b"cat\n\n dog\n", "line 2 is blank, with class names after it"),
        (b"\ncat\ndog\n", "line 1 is blank, with class names after it"),
        (b"cat\nd\x0bog\n", r"class 1: the class name 'd\\x0bog' has control characters"),
        ("caf\u00e9\ncafe\u0301\n".encode(), "'caf\u00e9' more than once"),
        (b"cat\n" + b"x" * 1001, "has 1001 characters"),
        ("人\n".encode("gb18030"), "save it as UTF-8"),
    ],
)
def test_refuses(tmp_path, content, message):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_classes(tmp_path / "classes.txt")
    assert "classes.txt" in str(error.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat", "cat"),
        ("  red fox\t", "red fox"),
        ("\u3000\u732b\xa0", "\u732b"),
        ("cafe\u0301", "caf\u00e9"),
        (7, "7"),
        (1.5, "1.5"),
        ("x" * 1000, "x" * 1000),
        (
            "\U0001f98a \u0645\u06cc\u200c\u062e",
            "\U0001f98a \u0645\u06cc\u200c\u062e",
        ),  # with a zero-width non-joiner
    ],
)
def test_a_name_is_the_same_in_all_formats(text, name):
    assert class_name(text) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("a\nb", r"'a\\nb' has control characters"),
        ("a\x1b[31mb", r"x1b\[31mb' has control"),
        ("a\u2028b", "u2028b' has control"),
        ("a\x85b", "x85b' has control"),
        ("\ud800", "ud800' has control"),
        ("a\uffff", "uffff' has control"),
        ("a\tb", r"a\\tb' has control"),
        (None, "not text, but of the kind NoneType"),
        (True, "not text, but of the kind bool"),
        (["cat"], "not text, but of the kind list"),
        ("x" * 1001, "has 1001 characters"),
    ],
)
def test_what_is_no_name_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        class_name(text)


def test_names_alike_but_for_blanks_are_refused_with_the_file():
    assert class_names_of([" cat", "dog"], "a.json") == ("cat", "dog")
    with pytest.raises(ValueError, match=r"a\.json holds 'cat' more than once \(blanks"):
        class_names_of(["cat", "cat "], "a.json")
    with pytest.raises(ValueError, match=r"a\.json: class 1: the class name '' is empty"):
        class_names_of(["cat", ""], "a.json")
    with pytest.raises(ValueError, match=r"a\.json holds no class name"):
        class_names_of([], "a.json")


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_what_is_written_reads_back_the_same(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "names.txt"
    try:
        checked = class_names_of(names, "here")
    except ValueError:
        with pytest.raises(ValueError):
            write_classes(path, names)
        return
    write_classes(path, names)
    assert read_classes(path) == checked and len(checked) == len(names)


def test_refuses_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.txt does not exist"):
        read_classes(tmp_path / "nowhere.txt")
    with pytest.raises((ValueError, OSError)):
        read_classes(tmp_path)


def test_the_lists_of_the_house():
    voc = read_classes(ROOT / "model_data" / "voc_classes.txt")
    coco = read_classes(ROOT / "model_data" / "coco_classes.txt")
    assert (len(voc), voc[0], voc[14], voc[19]) == (20, "aeroplane", "person", "tvmonitor")
    assert (len(coco), coco[0], coco[9], coco[79]) == (80, "person", "traffic light", "toothbrush")


def test_names_come_with_counts_and_as_lines_to_paste():
    counts = {"dog": 2, "cat": 2, "ant": 7}
    assert names_with_counts(counts) == "ant (7), cat (2), dog (2)"
    assert names_to_paste(counts).endswith("\nant\ncat\ndog")
    assert names_with_counts({}) == "none"
