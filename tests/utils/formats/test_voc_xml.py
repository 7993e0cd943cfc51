"""One VOC annotation file."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.utils.formats.voc_folder import xml
from utils.formats.voc_xml import read_annotation

BOX = (10, 20, 30, 40)


def annotation(folder, text):
    path = folder / "a.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotation(path)


def test_reads_names_boxes_and_size(tmp_path):
    read = annotation(tmp_path, xml([("red fox", (1, 2, 3.25, 4)), ("人", BOX, 1)]))
    assert read.size == (80, 100)
    assert read.names == ["red fox", "人"]
    assert read.boxes.tolist() == [[1, 2, 3.25, 4], list(BOX)]  # as they stand: nothing is subtracted
    assert read.difficult.tolist() == [False, True]
    assert read.faults == []


@pytest.mark.parametrize(
    ("text", "difficult"), [("1", True), ("0", False), ("", False), ("Unspecified", False), (" 1 ", True)]
)
def test_difficult_whatever_the_tool_wrote(tmp_path, text, difficult):
    assert annotation(tmp_path, xml([("cat", BOX, text)])).difficult.tolist() == [difficult]


def test_parts_of_an_object_are_not_objects(tmp_path):
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
    read = annotation(tmp_path, xml([("cat", BOX)]).replace("</object>", part))
    assert read.names == ["cat"] and read.boxes.tolist() == [list(BOX)]


def test_a_broken_object_is_named_and_the_others_stay(tmp_path):
    text = xml([("a", (1, 2, "x", 4)), ("b", (1, 2, "nan", 4)), ("", BOX), ("c", (1, "", 3, 4)), ("d", BOX)])
    read = annotation(tmp_path, text.replace("</annotation>", "<object><name>e</name></object></annotation>"))
    assert read.names == ["d"]
    assert [fault.split(":")[0] for fault in read.faults] == [f"object {i}" for i in (1, 2, 3, 4, 6)]
    assert "1, 2, x, 4 is not four numbers" in read.faults[0]
    assert "no <bndbox>" in read.faults[4]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><annotation>&b;</annotation>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><object>&a;</object></annotation>'


@pytest.mark.parametrize("text", [BOMB, FILE, BOMB.encode("utf-16")], ids=["bomb", "file", "utf-16"])
def test_refuses_document_types(tmp_path, text):
    with pytest.raises(ValueError, match="DOCTYPE"):
        annotation(tmp_path, text)


@pytest.mark.parametrize(
    "text", [b"", b"<annotation>", b"JFIF\xff", b'<?xml version="1.0" encoding="x"?><a/>']
)
def test_refuses_what_is_no_xml(tmp_path, text):
    with pytest.raises(ValueError, match="unreadable XML"):
        annotation(tmp_path, text)


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("object>", "OBJECT>", "2 <OBJECT> are not spelled <object>"),
        ("</bndbox>", "</bndbox><bndbox/>", "object 1: the first of its 2 <bndbox> is used"),
    ],
)
def test_what_is_not_read_is_told(tmp_path, before, after, fault):
    text = xml([("cat", BOX), ("dog", BOX)]).replace(before, after)
    assert fault in annotation(tmp_path, text.encode()).faults


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_bytes_give_an_annotation_or_a_value_error(tmp_path, data):
    text = bytearray(xml([("cat", BOX, 1), ("dog", (1, 2, 3, 4))]).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = annotation(tmp_path, bytes(text))
    except ValueError:
        return
    assert read.boxes.shape == (len(read.names), 4) and np.isfinite(read.boxes).all()
    assert len(read.difficult) == len(read.names)


def test_xml_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"its root is <annotations>, not <annotation>.*CVAT.*Pascal VOC"):
        annotation(tmp_path, "<annotations><image><box/></image></annotations>")
    with pytest.raises(ValueError, match="its root is <root>"):
        annotation(tmp_path, "<root><sample/></root>")


def test_objects_below_another_element_are_told(tmp_path):
    text = xml([("cat", BOX)]).replace("<object>", "<list><object>").replace("</object>", "</object></list>")
    read = annotation(tmp_path, text)
    assert read.names == []
    assert read.faults == ["1 <object> are not directly below <annotation>, where Pascal VOC has them"]


def test_a_name_with_a_line_end_is_skipped(tmp_path):
    read = annotation(tmp_path, xml([("a&#10;b", BOX), (" cat ", BOX)]))
    assert read.names == ["cat"] and r"'a\nb' has control characters" in read.faults[0]


@pytest.mark.parametrize("encoding", ["gb2312", "gbk", "big5", "shift_jis", "euc-kr", "windows-1251"])
def test_any_declared_encoding_is_read(tmp_path, encoding):
    name = {"euc-kr": "사람", "windows-1251": "лиса"}.get(encoding, "人")
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n' + xml([(name, BOX)])
    assert annotation(tmp_path, text.encode(encoding)).names == [name]


def test_text_of_another_encoding_than_declared_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"unreadable XML: .*its text is not UTF-8: save it as UTF-8"):
        annotation(tmp_path, xml([("人", BOX)]).encode("gbk"))
    bomb = BOMB.replace("<!DOCTYPE", '<?xml version="1.0" encoding="gb2312"?><!DOCTYPE', 1)
    with pytest.raises(ValueError, match="unreadable XML"):
        annotation(tmp_path, bomb)
