"""The page in a browser, as a person uses it."""

import json
import os
import re
import shutil

import pytest

from tests.utils.report.report_cases import HISTORY, NAMES, drawn_report
from utils.report.data import report_data
from utils.report.page import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report and the file of its page."""
    folder = tmp_path_factory.mktemp("报告 report")
    report = drawn_report(folder, history=HISTORY)
    write_report(folder / "report.html", report)
    return report, folder / "report.html"


@pytest.fixture
def open_page(browser, made):
    """Open the page in a window of its own; in the end there must have been neither errors nor requests."""
    seen = []

    def open_it(width=1400, height=900, path=made[1], **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(5000)
        page = context.new_page()
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("request", lambda request: seen.append(request.url[:60]))
        page.goto(path.as_uri())
        return page

    yield open_it
    assert [text for text in seen if not text.startswith(("file:///", "data:image/jpeg"))] == []


def texts(page, selector):
    return page.locator(selector).all_inner_texts()


def test_everything_is_there(open_page, made):
    page = open_page()
    assert page.locator("section:visible").count() == 10
    assert page.title() == "logs/<first>"
    assert page.locator("#class-curves svg").count() == 4 and page.locator("#history svg").count() == 3
    assert page.locator("#worst figure").count() == len(report_data(made[0])["worstImages"]) > 0
    assert page.locator("#class-table tbody tr").count() == len(NAMES)
    assert f"{made[0].metrics.map50_95:.3f}" in page.locator(".verdict").inner_text()


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_it_never_scrolls_sideways(open_page, width):
    page = open_page(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("#class-filter summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_pointing_at_a_curve_tells_its_values(open_page, made):
    page = open_page()
    recall = page.locator("#class-curves svg").nth(3)
    recall.scroll_into_view_if_needed()
    box = recall.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    head = page.locator("#tip b").inner_text()
    confidence = float(re.fullmatch(r"confidence ([\d.]+)", head)[1])
    curves = report_data(made[0])["curves"]
    k = curves["confidence"].index(confidence)
    rows = page.locator("#tip tr")
    told = {
        rows.nth(n).locator("td").nth(1).inner_text(): rows.nth(n).locator("td").nth(2).inner_text()
        for n in range(rows.count())
    }
    expected = {name: f"{curves['recall'][label][k]:.4f}" for label, name in enumerate(NAMES)}
    assert told == expected | {"mean of all": f"{curves['recall'][-1][k]:.4f}"}
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()


def test_classes_are_filtered(open_page):
    page = open_page()
    assert page.locator("#class-curves svg").first.locator(".curve").count() == len(NAMES) + 1
    page.locator("#class-filter summary").click()
    page.locator("#class-chips button", has_text="cup").click()
    assert page.locator("#class-filter").get_attribute("open") is not None  # it stays open
    assert page.locator("#class-curves svg").first.locator(".curve").count() == len(NAMES)
    assert not any("cup" in tag for tag in page.locator("#worst .tag").all_text_contents())
    page.locator("#class-none").click()
    assert page.locator("#class-count").inner_text() == f"0 / {len(NAMES)}"
    page.locator("#class-search").fill("鱼")
    assert texts(page, "#class-chips button") == ["鱼 fish"]
    page.locator("#class-all").click()
    assert page.locator("#class-count").inner_text() == f"{len(NAMES)} / {len(NAMES)}"
    page.mouse.click(5, 300)
    assert page.locator("#class-filter").get_attribute("open") is None


def test_the_confidence_moves_figures_and_boxes(open_page, made):
    page = open_page()
    before = page.locator("#worst .box.correct").count()
    page.locator("#confidence").fill("0.9")
    markers = page.locator("#class-curves .marker")
    # .9 of the way between the margins of 44 and 10 in a width of 560
    assert [float(markers.nth(k).get_attribute("x1")) for k in range(3)] == pytest.approx([499.4] * 3)
    curves = report_data(made[0])["curves"]
    k = curves["confidence"].index(0.9)
    told = page.locator("#at-confidence").inner_text()
    assert f"Precision {curves['precision'][-1][k]:.3f} · Recall {curves['recall'][-1][k]:.3f}" in told
    assert page.locator("#worst .box.correct").count() < before
    images = report_data(made[0])["worstImages"]
    missed = sum(row[5] < 0.9 for image in images for row in image["objects"])
    assert page.locator("#worst .box.missed").count() == missed
    assert sum(int(re.search(r"missed (\d+)", text)[1]) for text in texts(page, "#worst .counts")) == missed


def test_labels_and_detections_are_shown_and_hidden(open_page):
    page = open_page()
    kinds = ("label", "missed", "correct", "wrong")

    def counts():
        return [page.locator(f"#worst .box.{kind}").count() > 0 for kind in kinds]

    assert counts() == [True] * 4
    page.locator("#show-labels").click()
    assert counts() == [False, False, True, True]
    page.locator("#show-labels").click()
    page.locator("#only-mistakes").click()
    assert counts() == [False, True, False, True]
    page.locator("#show-detections").click()
    assert counts() == [False, True, False, False]
    assert page.locator("#show-detections").get_attribute("aria-pressed") == "false"


def test_an_image_is_enlarged_and_closed_by_the_keyboard(open_page):
    page = open_page()
    page.locator("#worst .stage").first.click()
    assert page.locator("#large").is_visible()
    assert page.locator("#large img").bounding_box()["width"] > 600
    page.keyboard.press("Escape")
    assert page.locator("#large").is_hidden()


def test_the_class_table_is_sorted(open_page, made):
    page = open_page()
    ap = dict(zip(NAMES, made[0].metrics.coco_ap, strict=True))
    head = page.locator("#class-table thead button", has_text=re.compile("^AP$"))
    for order in (sorted(NAMES, key=lambda name: -ap[name]), sorted(NAMES, key=lambda name: ap[name])):
        head.click()
        assert texts(page, "#class-table tbody th") == order
    assert page.locator("th[aria-sort=ascending]").count() == 1


def test_the_class_table_is_filtered(open_page):
    page = open_page()
    page.locator("#table-search").fill("FISH")
    assert texts(page, "#class-table tbody tr:visible th") == ["鱼 fish"]
    page.locator("#class-table thead button").first.click()  # sorting keeps the filter
    assert page.locator("#class-table tbody tr:visible").count() == 1
    page.locator("#table-search").fill("")
    assert page.locator("#class-table tbody tr:visible").count() == len(NAMES)


def test_a_class_chip_keeps_the_focus_of_the_keyboard(open_page):
    page = open_page()
    page.locator("#class-filter summary").click()
    page.locator("#class-chips button").nth(1).focus()
    for shown in (len(NAMES) - 1, len(NAMES)):
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.textContent") == NAMES[1]
        assert page.locator("#class-count").inner_text() == f"{shown} / {len(NAMES)}"


def test_images_stay_when_the_confidence_moves(open_page):
    page = open_page()
    page.evaluate("window.before = document.querySelector('#worst img')")
    page.locator("#confidence").fill("0.6")
    assert page.evaluate("document.querySelector('#worst img') === window.before")


def test_the_confusion_matrix(open_page, made):
    page = open_page()
    rows = page.locator("#confusion-table tbody tr")
    shown = [
        [cell or "0" for cell in texts(page, f"#confusion-table tbody tr:nth-child({k}) td")]
        for k in (1, 2, 3, 4)
    ]
    assert rows.count() == len(NAMES) + 1
    assert [[int(cell) for cell in row] for row in shown] == made[0].analysis.confusion.tolist()
    page.locator("#confusion-share").click()
    shares = [float(cell or 0) for cell in texts(page, "#confusion-table tbody tr:first-child td")]
    assert sum(shares) == pytest.approx(1, abs=0.02)


def test_without_images_their_names_are_listed(open_page, tmp_path):
    write_report(tmp_path / "a.html", drawn_report(None, names_of_images=["first", "second"], images=2))
    page = open_page(path=tmp_path / "a.html")
    assert "missed" in page.locator("#worst figcaption", has_text="first").inner_text()
    assert page.locator("#doubtful figcaption").count() > 0
    assert page.locator("#images .row").is_hidden() and page.locator(".stage").count() == 0


def test_chinese(open_page):
    page = open_page(locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh"
    assert "混淆矩阵" in texts(page, "h2") and "类别错" in texts(page, "#error-bars span")
    page.locator("#language").click()
    assert "Confusion matrix" in texts(page, "h2")
    page.locator("#language").click()
    assert "混淆矩阵" in texts(page, "h2")


def test_dark_and_light(open_page):
    page = open_page(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(20, 23, 26)"
    page.locator("#theme").click()
    assert page.evaluate(background) == "rgb(255, 255, 255)"


def test_the_keyboard_reaches_what_can_be_pressed(open_page):
    page = open_page()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert reached >= {"language", "theme", "confidence", "confusion-share", "show-labels", "stage"}


def test_a_finger_reads_a_curve(open_page):
    page = open_page(390, 800, has_touch=True, is_mobile=True)
    curve = page.locator("#class-curves svg").first
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#tip b").inner_text().startswith("confidence")
    assert 0.4 < float(page.locator("#confidence-value").inner_text()) < 0.6


def test_without_script_figures_and_classes_are_read(open_page, made):
    page = open_page(java_script_enabled=False)
    assert page.locator("#class-table tbody tr").count() == len(NAMES)
    assert page.locator("#curves").is_hidden() and page.locator("#controls").is_hidden()
    assert f"{made[0].metrics.map50:.3f}" in page.locator("[data-figure=map50]").inner_text()


@pytest.mark.parametrize(("images", "names"), [(0, ("a",)), (2, ()), (1, ("a",))])
def test_little_to_show(open_page, tmp_path, images, names):
    write_report(tmp_path / "a.html", drawn_report(None, images, names))
    page = open_page(path=tmp_path / "a.html")
    assert page.locator("#figures").is_visible() and page.locator("#images").is_hidden()
    assert json.loads(page.locator("#data").inner_text())["imageCount"] == images
