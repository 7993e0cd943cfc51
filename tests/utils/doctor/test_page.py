"""The page: sound HTML that needs nothing else, with images of what was found."""

import base64
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.utils.doctor.doctor_cases import image_case, split
from utils.data.index import ImageRecord, build_index
from utils.doctor.finding import Finding, Location
from utils.doctor.page import IMAGES_PER_FINDING, health_page
from utils.doctor.thumbnails import MARK_COLOUR, THUMBNAIL_SIDE, location_thumbnail, sample_locations
from utils.draw.boxes import class_colours

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What a page holds; parsing fails if an element is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.sources, self.text = [], Counter(), set(), [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags[tag] += 1
        self.ids |= {values["id"]} if "id" in values else set()
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def data(tmp_path):
    """Two splits of real files, white images of 100 x 80 with a box each; class and file names are HTML."""
    splits = []
    for name in ("train", "val"):
        records = []
        for number in range(10):
            path = tmp_path / f"{name} <{number}>.png"
            Image.new("RGB", (100, 80), "white").save(path)
            records.append(
                ImageRecord(str(path), np.array([[10, 10, 50, 40]], np.float32), np.zeros(1, np.int32))
            )
        facts = split(name, *[image_case()] * 10).facts
        splits.append(replace(split(name), index=build_index(records, ["<b>&", "dog"]), facts=facts))
    return splits


def locations(part, *images):
    return [Location(part.name, str(part.index.path(k)), k, (k,)) for k in images]


def test_page_is_whole_and_holds_everything(data):
    train, val = data
    like = str(train.index.path(0))
    findings = [
        Finding(
            "leak", "serious", 1, "One & <leak>: so", "Fix <it>", [locations(val, 3)[0]._replace(like=like)]
        ),
        Finding("tiny", "warning", 8, "Eight", "Fix", locations(train, *range(8))),
        Finding("broken-labels", "note", 1, "Broken", "Fix", [Location("val", "a.xml", detail="no <name>")]),
        Finding("few", "warning", 1, "Few\x1b[1m", "Fix"),
    ]
    page = Page(health_page(data, findings, (640, 640), seed=0))
    assert page.tags["script"] == page.tags["link"] == page.tags["b"] - len(findings) == 0
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert len(page.sources) == 2 + IMAGES_PER_FINDING + 12  # the pair, the tiny ones, the sample
    assert [link.removeprefix("#") in page.ids for link in page.links] == [True] * 4
    shown = ("One & <leak>", "Fix <it>", "no <name>", "2 more in problems.json", "<b>&", "val <3>.png")
    for text in (*shown, r"Few\x1b[1m"):
        assert text in page.text
    assert "Training would suffer" in page.text and "http" not in page.text


def test_no_findings_and_images_that_cannot_be_read(data):
    broken = [replace(part, facts=[f._replace(error="x") for f in part.facts]) for part in data]
    page = Page(health_page(broken, [], (640, 640), seed=0))
    assert "nothing wrong was found" in page.text and page.sources == []


def test_the_seed_chooses_the_images(data):
    findings = [Finding("tiny", "warning", 10, "Ten", "Fix", locations(data[0], *range(10)))]
    first, again, other = (health_page(data, findings, (640, 640), seed) for seed in (0, 0, 1))
    assert first == again != other


def test_an_image_is_small_and_what_is_meant_is_red(data):
    location = locations(data[0], 2)[0]
    drawn = location_thumbnail(location, data[0])
    assert drawn.shape == (288, THUMBNAIL_SIDE, 3)  # 100 x 80 enlarged 3.6 times; the box starts at 36, 36
    assert (drawn[100, 33] == MARK_COLOUR).all() and (drawn[100, 5] == 255).all()
    assert not (location_thumbnail(location._replace(boxes=()), data[0]) == MARK_COLOUR).all(axis=2).any()


def test_a_tiny_box_is_shown_enlarged(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (1000, 500), "white").save(path)
    record = ImageRecord(str(path), np.array([[700, 250, 701, 251]], np.float32), np.zeros(1, np.int32))
    part = replace(split("train"), index=build_index([record], ["a"]), facts=[image_case()[1]])
    drawn = location_thumbnail(locations(part, 0)[0], part)
    ys, xs = np.nonzero((drawn == MARK_COLOUR).all(axis=2))
    # 32 pixels around it fill the side: 11.25 times, the mark 12 and 3 on either side and its line
    assert abs(xs.mean() - THUMBNAIL_SIDE / 2) < 12 and 15 < xs.max() - xs.min() < 30
    assert abs(ys.mean() - THUMBNAIL_SIDE / 2) < 12
    inner = drawn[ys.min() + 7 : ys.max() - 6, xs.min() + 7 : xs.max() - 6]  # within the mark and its white
    assert (inner == class_colours(1)[0]).all(axis=2).any(), "the box itself"


def test_images_are_jpeg(data):
    page = Page(health_page(data, [], (640, 640), seed=0))
    content = base64.b64decode(page.sources[0].partition(",")[2])
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == (288, THUMBNAIL_SIDE, 3)


def test_places_are_drawn_in_order():
    rng = np.random.default_rng(0)
    all_places = [Location("train", str(k), k) for k in range(20)]
    drawn = [location.image_number for location in sample_locations(all_places, 6, rng)]
    assert len(set(drawn)) == 6 and drawn == sorted(drawn)
    assert sample_locations(all_places[:3], 6, rng) == all_places[:3] and sample_locations([], 6, rng) == []
