"""Damaged and hostile files: each gives data or a `ValueError` that names it, soon, and never a crash.

BOXWRIGHT_FUZZ=5000 python -m pytest tests/utils/formats/test_fuzz_readers.py tries more than the few here.
"""

import io
import json
from contextlib import suppress
from copy import deepcopy
from encodings.aliases import aliases

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.helpers import SHARED
from tests.utils.formats.voc_folder import add_image, add_split, xml
from tests.utils.fuzzing import assert_sound, fuzz, mutated, quickly, read_or_refuse, real
from utils.data.class_names import read_classes
from utils.formats.coco import read_coco
from utils.formats.list_file import read_list
from utils.formats.voc import read_voc
from utils.images.headers import header_size
from utils.images.image_io import ImageError, read_image

NAMES = ("cat", "dog", "fox")

# List files

LIST = "/d/a.jpg 1,2,30,40,0 5,6,7.5,8,2\n图 片/b.jpg\t1,2,3,4,1\nc.png\n\n/d/e.jpg 0,0,10.25,20,1\n".encode()


@fuzz
@given(mutated([LIST, LIST.replace(b"\n", b"\r\n"), LIST * 20]))
def test_list_files(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.txt"
    path.write_bytes(content)
    index = read_or_refuse(read_list, path, NAMES)
    if index is not None:
        assert len(index) > 0
        assert_sound(index)


@pytest.mark.parametrize(
    "line",
    [
        "a.jpg " + "1" * 1_000_000 + ",2,3,4,0",
        "a.jpg " + "1,2,3,4,0 " * 100_000 + "x",
        "a.jpg " * 100_000 + "1,2,3,4",
        "a.jpg" + " " * 1_000_000,
        "1," * 500_000,
        "a.jpg" + " 1,2,3,4,0" * 100_000 + " " + "7" * 100_000 + ",2,3,4,0",
        "e" * 1_000_000,
        "-" * 1_000_000 + ",1,1,1,1",
    ],
    ids=range(8),
)
def test_long_lines_take_no_longer_than_their_length(tmp_path, line):
    path = tmp_path / "fuzz.txt"
    path.write_text(line)
    with quickly():
        read_or_refuse(read_list, path, NAMES)


# Class files


@fuzz
@given(st.one_of(st.binary(max_size=200), mutated(["cat\ndog\n图\n".encode()])))
def test_class_files(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.names"
    path.write_bytes(content)
    names = read_or_refuse(read_classes, path)
    assert names is None or (
        len(names) == len(set(names)) > 0 and all(name == name.strip() != "" for name in names)
    )


# COCO


def coco_content():
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": 60, "width": 80} for i in range(3)],
        "categories": [{"id": 1, "name": "cat", "supercategory": "pet"}, {"id": 7, "name": "dog"}],
        "annotations": [
            {
                "id": i,
                "image_id": i % 3,
                "category_id": 1 + 6 * (i % 2),
                "bbox": [1.5, 2, 3, 4],
                "area": 9,
                "iscrowd": i % 2,
            }
            for i in range(4)
        ],
    }
    for path in sorted(SHARED.glob("data/chess/valid/*.json")):
        real = json.loads(path.read_text(encoding="utf-8"))
        images = real["images"][:2]
        known = {image["id"] for image in images}
        parts = [annotation for annotation in real["annotations"] if annotation["image_id"] in known]
        return [content, {**real, "images": images, "annotations": parts[:3]}]
    return [content]


COCO = coco_content()
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(
        [10**400, -(10**25), 1e308, -1e308, 2**31, "\ud800", "\0", "1", "nan", "a/../../b", "/abs.jpg", ""]
    ),
    st.sampled_from(
        [[], {}, [1, 2, 3, 4], [[1]], [0, 0, "1", 10**12], ["1", "2", "3", "4"], {"id": 1}, [None] * 4]
    ),
)


@st.composite
def altered(draw, contents):
    """A content of which some entries are something else, gone, or there twice."""
    content = deepcopy(contents[draw(st.integers(0, len(contents) - 1))])
    for _ in range(draw(st.integers(1, 3))):
        parent, key = {"all": content}, "all"
        for _ in range(draw(st.integers(0, 5))):
            inner = parent[key]
            keys = (
                [*inner]
                if isinstance(inner, dict)
                else [*range(len(inner))]
                if isinstance(inner, list)
                else []
            )
            if not keys:
                break
            parent, key = inner, draw(st.sampled_from(keys))
        kind = draw(st.sampled_from(["change", "remove", "double"]))
        if kind == "change" or "all" in parent:
            parent[key] = deepcopy(draw(ODD))
            content = parent.get("all", content) if isinstance(parent, dict) else content
        elif kind == "remove":
            del parent[key]
        elif isinstance(parent, list):
            parent.append(parent[key])
    return json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@fuzz
@given(
    st.one_of(altered(COCO), altered(COCO), mutated([json.dumps(content).encode() for content in COCO])),
    st.sampled_from([None, ("dog", "cat"), ("fox",)]),
)
def test_coco_files(tmp_path_factory, content, names):
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_bytes(content)
    index = read_or_refuse(read_coco, path, path.parent, names)
    if index is not None:
        assert_sound(index)


# VOC


XML = xml([("cat", (1, 2, 30, 40), 1), ("dog", (5, 6, 70.5, 80))]).encode()


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz") / "VOC2007"
    add_image(root, "fuzz", "")
    add_split(root, "train", "fuzz")
    return root


@fuzz
@given(mutated([XML, *real("data/bccd/VOCdevkit/VOC2007/Annotations/*.xml", XML)]))
def test_voc_annotations(voc, content):
    check_annotation(voc, content)


def check_annotation(voc, content):
    path = voc / "Annotations" / "fuzz.xml"
    path.write_bytes(content)
    split = read_or_refuse(read_voc, voc, "train")
    assert_sound(split.index)
    assert len(split.index) == 1 or split.problems
    assert all("fuzz.xml" in problem.file and problem.reason for problem in split.problems)


@pytest.mark.parametrize(
    "content",
    [
        b"<a>" * 200_000,
        b"<a>" * 200_000 + b"</a>" * 200_000,
        b"<annotation>" + b"<object>" * 50_000 + b"</object>" * 50_000 + b"</annotation>",
        b"<annotation " + b" ".join(b'a%d="1"' % i for i in range(50_000)) + b"/>",
        b"<annotation>" + b"x" * 5_000_000 + b"</annotation>",
        XML.replace(b"30", b"9" * 100_000),
        XML.replace(b"30", b"1e99999"),
        XML.replace(b"100", b"9" * 100_000),
        XML.replace(b"cat", b"c\0t"),
        XML.decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-16"?>' + XML,
        b"\xff\xfe" + XML,
        b'<?xml version="1.0" encoding="utf-8"?>' + XML.replace(b"cat", b"\xff"),
        b'<!DOCTYPE a [<!ENTITY a "ha">' + b'<!ENTITY b "&a;&a;">' + b"]>" + XML.replace(b"cat", b"&b;"),
        b'<!DOCTYPE a SYSTEM "http://localhost/x.dtd">' + XML,
    ],
    ids=range(15),
)
def test_hostile_annotations(voc, content):
    with quickly():
        check_annotation(voc, content)


@pytest.mark.parametrize("encoding", sorted({*aliases, *aliases.values(), "idna", "punycode", "undefined"}))
def test_annotations_of_every_encoding(voc, encoding):
    check_annotation(
        voc, f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + XML.replace(b"cat", b"\xe9t\xe9")
    )


@fuzz
@given(mutated([b"fuzz\n"]))
def test_lists_of_ids(voc, content):
    path = voc / "ImageSets" / "Main" / "ids.txt"
    path.write_bytes(content)
    (voc / "Annotations" / "fuzz.xml").write_bytes(XML)
    split = read_or_refuse(lambda _: read_voc(voc, "ids"), path)
    assert split is None or len(split.index) <= 1


# Images


def encoded(format_name, **options):
    """A small noisy image as the bytes of a file."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format_name, **options)
    return file.getvalue()


IMAGES = [
    *(encoded("JPEG"), encoded("JPEG", progressive=True), encoded("PNG"), encoded("BMP"), encoded("WEBP")),
    *(
        encoded("TIFF"),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("GIF"),
        encoded("PPM"),
        encoded("JPEG2000"),
    ),
]


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged files and large ones
@fuzz
@given(mutated(IMAGES + real("data/voc100/images/*.jpg", IMAGES[0])))
def test_images(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.jpg"
    path.write_bytes(content)
    try:
        image = read_image(path)
    except ImageError as error:
        assert str(path) in str(error)
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0
    with suppress(ValueError):
        assert min(header_size(path)) > 0
