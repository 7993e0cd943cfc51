"""Class lists as people save them."""

import pytest

from tests.helpers import ROOT
from utils.data.class_names import names_to_paste, names_with_counts, read_classes


@pytest.mark.parametrize(
    "content",
    [
        b"cat\nred fox\n",
        b"cat\nred fox",
        b"\xef\xbb\xbfcat\r\nred fox\r\n",
        b"\n  cat \n\n\tred fox\n\n\n",
    ],
    ids=["plain", "no newline at the end", "byte order mark and Windows line ends", "blank lines and spaces"],
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
        ("人\n".encode("gb18030"), "save it as UTF-8"),
    ],
)
def test_refuses(tmp_path, content, message):
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_classes(tmp_path / "classes.txt")
    assert "classes.txt" in str(error.value)


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
