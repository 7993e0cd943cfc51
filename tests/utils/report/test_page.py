"""The page as a file: whole, self-contained, and its figures those of the evaluation."""

import base64
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from tests.utils.report.report_cases import HISTORY, NAMES, drawn_report
from utils.analysis.label_errors import LabelError
from utils.images.image_io import read_image
from utils.report.data import report_data
from utils.report.images import label_error_images
from utils.report.page import ASSETS, write_report

VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """What a page holds; parsing fails if an element is closed that is not open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.scripts, self.addresses, self.texts, self.shown = [], [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.addresses += [values[key] for key in ("src", "href") if key in values]
        self.translated = "data-text" in values
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.shown += data
            self.texts += [data] if self.translated else []
        self.translated = False


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return drawn_report(tmp_path_factory.mktemp("images"), history=HISTORY)


@pytest.fixture(scope="module")
def text(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, report)
    return path.read_text("utf-8")


def embedded(text):
    return json.loads(Page(text).scripts[0])


def test_page_is_whole_and_needs_nothing_else(text):
    page = Page(text)
    assert len(page.scripts) == 3 and page.addresses == []  # images are made by the script
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"\[\[[a-z_]+\]\]", text)
    assert page.shown.startswith("\n") and "logs/<first>" in page.shown and "best.pt & more" in page.shown
    assert all(name in page.shown for name in NAMES)  # in the class table, as they are


def test_figures_stand_in_the_page_without_its_script(report, text):
    shown = Page(text).shown
    for name in ("map", "map50", "small"):
        assert f"{report.metrics.coco[name]:.3f}" in shown
    low, high = report.analysis.intervals["map"][1:]
    assert f"({low:.3f}–{high:.3f})" in shown
    assert f"{report.metrics.coco_ap[1]:.3f}" in shown


def test_data_are_those_of_the_evaluation(report, text):
    data, metrics = embedded(text), report.metrics
    assert data["classes"] == list(NAMES)
    assert data["summary"]["map50"] == round(metrics.map50, 4)
    assert data["perClass"]["ap"] == [round(float(value), 4) for value in metrics.coco_ap]
    assert data["curves"]["recall"][1][100] == round(float(metrics.curves.recall[1, 500]), 4)
    assert len(data["curves"]["confidence"]) == 201 == len(data["curves"]["pr"][-1])
    assert data["confusion"] == report.analysis.confusion.tolist()
    assert data["history"]["map50"] == [0.25, None, 0.75] and data["history"]["lr"] == HISTORY["lr"]
    assert data["errors"]["number"] == report.analysis.errors.number.sum(1).tolist()


def test_images_have_their_boxes_and_the_worst_come_first(report, text):
    images = embedded(text)["worstImages"]
    figures = report.analysis.image_counts
    mistakes = [int((figures.wrong + figures.missed)[int(p["name"][2])]) for p in images]
    assert mistakes == sorted(mistakes, reverse=True) and mistakes[-1] > 0
    first = images[0]
    number = int(first["name"][2])
    assert first["view"] == [0, 0, 200, 150]
    content = base64.b64decode(first["source"].removeprefix("data:image/jpeg;base64,"))
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == (150, 200, 3)
    # What the page counts at the confidence of the analysis is what was counted.
    found = [row for row in first["objects"] if row[5] >= 0.5]
    wrong = [row for row in first["detections"] if row[5] >= 0.5 and row[6] == 0]
    assert (len(found), len(wrong)) == (figures.correct[number], figures.wrong[number])
    assert len(first["objects"]) - len(found) == figures.missed[number]


def test_doubtful_labels_show_their_surroundings(report, text):
    errors = embedded(text)["suspects"]
    assert [s["score"] for s in errors] == [
        round(s.score, 4) for s in report.analysis.label_errors[: len(errors)]
    ]
    for error in errors:
        left, top, width, height = error["view"]
        for x1, y1, x2, y2 in filter(None, (error["box"], error["suggestedBox"])):
            assert left <= max(x1, 0) and top <= max(y1, 0)
            assert left + width >= min(x2, 200) and top + height >= min(y2, 150)
    assert any(error["suggestedBox"] is None for error in errors)  # that too can be shown


def test_same_input_same_bytes(report, text, tmp_path):
    write_report(tmp_path / "again.html", report)
    assert (tmp_path / "again.html").read_text("utf-8") == text


def test_without_images_there_are_none(tmp_path):
    write_report(tmp_path / "a.html", drawn_report(None))
    data = embedded((tmp_path / "a.html").read_text("utf-8"))
    assert data["worstImages"] == data["suspects"] == [] and data["history"] == {}


def test_names_alone_are_listed():
    data = report_data(drawn_report(None, names_of_images=[f"a/\x1b{number}.txt" for number in range(6)]))
    entries = data["worstImages"]
    assert entries and all("source" not in image and image["objects"] for image in entries)
    names = {rf"a/\x1b{number}.txt" for number in range(6)}
    assert {suspect["name"] for suspect in data["suspects"]} <= names
    assert data["suspects"] and "source" not in data["suspects"][0]


def test_a_broken_image_is_passed_over(tmp_path):
    report = drawn_report(tmp_path)
    whole = len(report_data(report)["worstImages"])
    report.paths[0].write_bytes(b"no image")
    report.paths[1].unlink()
    assert len(report_data(report)["worstImages"]) == whole - 2


def test_label_errors_are_those_of_readable_images(tmp_path, monkeypatch):
    """As many as are wanted, in their order; an image with several of them is read once."""
    paths = drawn_report(tmp_path).paths
    paths[1].write_bytes(b"no image")
    on = [0, 1, 2, 0, 2, 1, 3, 4, 5]
    errors = [
        LabelError("missing", image_number, 0.5, -1, 0, None, (10 * number, 0, 10 * number + 50, 40))
        for number, image_number in enumerate(on)
    ]
    readable = [label_error_images([error], paths) for error in errors if error.image_number != 1]
    read = []
    monkeypatch.setattr("utils.report.images.read_image", lambda path: read.append(path) or read_image(path))
    monkeypatch.setattr("utils.report.images.MAX_LABEL_ERRORS_SHOWN", 6)
    assert label_error_images(errors, paths) == [entry for (entry,) in readable[:6]]
    assert sorted(read) == paths[:5]


@pytest.mark.parametrize(("images", "names"), [(0, ("a",)), (2, ()), (1, ("a",))])
def test_little_to_show(tmp_path, images, names):
    write_report(tmp_path / "a.html", drawn_report(tmp_path, images, names))
    assert embedded((tmp_path / "a.html").read_text("utf-8"))["imageCount"] == images


def test_eighty_classes_stay_small(tmp_path):
    names = [f"class number {number}" for number in range(80)]
    write_report(tmp_path / "a.html", drawn_report(tmp_path, 3, names))
    assert (tmp_path / "a.html").stat().st_size < 1_000_000  # without the images' own size


def test_every_text_has_its_chinese(text):
    chinese = json.loads((ASSETS / "texts.json").read_text("utf-8"))
    script = (ASSETS / "script.js").read_text("utf-8")
    same = {"AP", "AP50", "VOC", "VOC07", "AP S", "AP M", "AP L", "P", "R", "F1", "best.pt & more"}
    wanted = {part for part in Page(text).texts if part.strip()} - same
    wanted |= set(re.findall(r'text\("([^"]+)"\)', script))
    wanted |= set(re.findall(r'^  \w+: "([A-Z][^"]+)",$', script, re.MULTILINE))  # advice and doubts
    wanted |= set(json.loads(Page(text).scripts[0])["errors"]["kinds"]) | {"correct", "wrong", "missed"}
    assert len(wanted) > 60
    assert wanted - chinese.keys() == set()
    everything = text + script
    unused = {english for english in chinese if english not in everything}
    assert (
        unused - {"weights", "run", "model", "data", "speed", "settings", "ground truth", "detections"}
        == set()
    )
