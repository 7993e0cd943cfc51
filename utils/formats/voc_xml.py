"""Read and write a Pascal VOC annotation file: the size of the image, and its objects.

Coordinates are used as they are in the file. VOC counts pixels from 1, current labelling tools from 0; the
file does not say which, and labels are not accurate to one pixel anyway.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from utils.data.class_names import class_name
from utils.data.index import LARGEST_COORDINATE
from utils.data.types import Boxes, Size

ROOT_TAG = "annotation"
DECLARED_ENCODING = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*['\"]([A-Za-z][\w.-]*)['\"]")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
TRUE = ("1", "1.0", "true", "yes")  # tools also write "Unspecified" or nothing for "no"


class Annotation(NamedTuple):
    """The content of an annotation file.

    size       (height, width), (0, 0) if missing
    names      class name of each object
    boxes      float32 [N, 4], xyxy in pixels, not checked
    difficult  bool [N]
    faults     reasons for the objects that were skipped
    """

    size: Size
    names: list[str]
    boxes: Boxes
    difficult: np.ndarray
    faults: list[str]


def read_annotation(path: Path) -> Annotation:
    """Read an annotation file; ValueError with the reason if the XML is malformed or unsafe."""
    root = _parse(path.read_bytes())
    if root.tag != ROOT_TAG:
        other = " (CVAT's own format? export as Pascal VOC)" if root.tag == "annotations" else ""
        raise ValueError(f"its root is <{root.tag[:50]}>, not <{ROOT_TAG}>: it is not Pascal VOC{other}")
    names, boxes, difficult, faults = [], [], [], []
    objects = root.findall("object")
    for number, element in enumerate(objects, 1):
        try:
            name, box = class_name(_text(element, "name")), _box(element)
        except ValueError as error:
            faults.append(f"object {number}: {error}")
            continue
        names.append(name)
        boxes.append(box)
        difficult.append((element.findtext("difficult") or "").strip().lower() in TRUE)
        if (bounds := len(element.findall("bndbox"))) > 1:
            faults.append(f"object {number}: the first of its {bounds} <bndbox> is used")
    faults += _objects_elsewhere(root, len(objects))
    return Annotation(
        size=(_pixels(root, "size/height"), _pixels(root, "size/width")),
        names=names,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        difficult=np.array(difficult, bool),
        faults=faults,
    )


def annotation_text(
    file_name: str, size: Size, names: Sequence[str], boxes: Boxes, difficult: np.ndarray
) -> str:
    """Return the XML for the image `file_name`; boxes keep every digit."""
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = file_name
    sizes = ElementTree.SubElement(root, "size")
    for tag, value in (("width", size[1]), ("height", size[0]), ("depth", 3)):
        ElementTree.SubElement(sizes, tag).text = str(value)
    for name, box, flag in zip(names, boxes, difficult, strict=True):
        element = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(element, "name").text = name
        ElementTree.SubElement(element, "difficult").text = str(int(flag))
        bounds = ElementTree.SubElement(element, "bndbox")
        for tag, value in zip(CORNERS, box, strict=True):
            ElementTree.SubElement(bounds, tag).text = str(value).removesuffix(".0")
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _objects_elsewhere(root: ElementTree.Element, found: int) -> list[str]:
    """Return a fault if there are objects where or as Pascal VOC has none."""
    if deeper := len(list(root.iter("object"))) - found:
        return [f"{deeper} <object> are not directly below <{ROOT_TAG}>, where Pascal VOC has them"]
    if not found and (alike := [tag for tag in (element.tag for element in root.iter()) if _is_object(tag)]):
        return [f"{len(alike)} <{alike[0]}> are not spelled <object>"]
    return []


def _is_object(tag: str) -> bool:
    return tag.rpartition("}")[2].lower() == "object"  # "{...}" is a namespace


class _NoDoctype(ElementTree.TreeBuilder):
    """A tree builder that rejects DOCTYPE, so that no entity can expand forever or read another file."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type (DOCTYPE), which annotations do not need")


def _parse(data: bytes) -> ElementTree.Element:
    try:
        return _parsed(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        declared = DECLARED_ENCODING.match(data.lstrip())
        try:  # the parser knows no multi-byte encodings but UTF-8 and UTF-16; Python knows GB2312 and others
            text = data.decode(declared[1].decode("ascii")) if declared else ""
            return _parsed(text)
        except (ElementTree.ParseError, LookupError, ValueError):
            pass
        raise ValueError(f"unreadable XML: {error}{_encoding_advice(data, declared)}") from None


def _parsed(data: bytes | str) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_NoDoctype())
    parser.feed(data)
    return parser.close()


def _encoding_advice(data: bytes, declared: re.Match[bytes] | None) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        encoding = declared[1].decode("ascii") if declared else "UTF-8"
        return f" (its text is not {encoding}: save it as UTF-8)"
    return ""


def _text(element: ElementTree.Element, tag: str) -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise ValueError(f"no <{tag}>")
    return text


def _box(element: ElementTree.Element) -> list[float]:
    bounds = element.find("bndbox")
    if bounds is None:
        raise ValueError("no <bndbox>")
    texts = [_text(bounds, corner) for corner in CORNERS]
    try:
        box = [float(text) for text in texts]
    except ValueError:
        raise ValueError(f"box {', '.join(texts)} is not four numbers") from None
    if not all(abs(value) < LARGEST_COORDINATE for value in box):  # NaN and infinity fail
        raise ValueError(f"box {', '.join(texts)} has impossible coordinates")
    return box


def _pixels(root: ElementTree.Element, tag: str) -> int:
    try:
        value = float(root.findtext(tag) or 0)
    except ValueError:
        return 0
    return int(value) if 0 < value < LARGEST_COORDINATE else 0
