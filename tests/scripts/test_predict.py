"""predict.py as a user runs it."""

import csv
import io
import json
import runpy
import sys
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.scripts.running import CLASSES, SIZE, accepted, refused, script
from tests.utils.system.file_server import serve, whole


@pytest.fixture(scope="module")
def images(home):
    """A folder with images that share a stem, one below in another folder, and one that is no image."""
    folder = home / "照片 1"
    (folder / "below").mkdir(parents=True)
    source = sorted((home / "VOC2007" / "JPEGImages").iterdir())
    for number, name in enumerate(("a.jpg", "a.png", "below/c.webp")):
        with Image.open(source[number]) as image:
            image.save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def predicted(trained_run, images):
    """Everything at once, on a folder: what it printed, and where the results are."""
    options = ["--save-txt", "--save-json", "--save-csv", "--crop", "--count", "--confidence", 0.15]
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu", "--batch-size", 2]
    done = script("predict.py", images.name, *weights, *options, cwd=trained_run.home, status=1)
    assert done.stderr.rstrip().endswith("incomplete: 1 of 4 images could not be read")
    return done.stdout, trained_run.home / "predictions"


def test_every_image_is_saved_in_its_folder_under_a_name_of_its_own(predicted, images):
    folder = predicted[1]
    saved = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
    assert {name for name in saved if not name.startswith("crops/")} == {
        "a_jpg.jpg",
        "a_png.jpg",
        "below/c.jpg",
    }
    for saved, source in (("a_jpg.jpg", "a.jpg"), ("below/c.jpg", "below/c.webp")):
        with Image.open(folder / saved) as one, Image.open(images / source) as two:
            assert one.size == two.size


def test_json_follows_the_contract(predicted, images):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    assert found
    for entry in found:
        assert list(entry) == ["image", "category", "bbox", "score"]
        assert entry["category"] in CLASSES and 0.15 <= entry["score"] <= 1
        x, y, w, h = entry["bbox"]
        with Image.open(images.parent / entry["image"]) as image:
            assert x >= 0 and y >= 0 and x + w <= image.width + 1e-3 and y + h <= image.height + 1e-3


def test_text_says_the_same_as_json(predicted):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    labels = predicted[1] / "labels"
    files = sorted(labels.rglob("*.txt"))
    names = {path.relative_to(labels).as_posix() for path in files}
    assert names == {"a_jpg.txt", "a_png.txt", "below/c.txt"}
    lines = [line.rsplit(" ", 5) for file in files for line in file.read_text("utf-8").splitlines()]
    assert len(lines) == len(found)
    in_text = sorted((line[0], np.float32(line[1])) for line in lines)
    assert in_text == sorted((entry["category"], np.float32(entry["score"])) for entry in found)


def test_csv_says_the_same_as_json(predicted):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    with (predicted[1] / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["image"], row["class"]) for row in rows] == [(e["image"], e["category"]) for e in found]
    for row, entry in zip(rows, found, strict=True):
        assert np.float32(row["score"]) == np.float32(entry["score"])
        x, y, w, h = entry["bbox"]
        sides = [float(row[side]) for side in ("left", "top", "right", "bottom")]
        np.testing.assert_allclose(sides, [x, y, x + w, y + h], atol=1e-4)


def test_a_crop_of_every_box_in_the_folder_of_its_class(predicted):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    crops = list((predicted[1] / "crops").rglob("*.jpg"))
    found = [entry for entry in found if min(entry["bbox"][2:]) > 0]  # some lie on the padding alone
    assert len(crops) == len(found) > 0
    classes = {path.relative_to(predicted[1] / "crops").parts[0] for path in crops}
    assert classes == {entry["category"] for entry in found}


def test_counts_and_unreadable_images_are_reported(predicted, images):
    output, folder = predicted
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert f"3 images, {len(found)} objects" in output
    assert "skipped: " in output and "broken.jpg" in output
    for name in {entry["category"] for entry in found}:
        of_c = sum(e["category"] == name and e["image"].endswith("c.webp") for e in found)
        line = next(line for line in output.splitlines() if "c.webp: " in line)
        assert (f"{name} {of_c}" in line) == (of_c > 0)


def test_nothing_found_is_explained(trained_run, images, tmp_path, capsys):
    sources = [images / "a.jpg", images / "below" / "*.webp"]
    output = run_on(capsys, trained_run, *sources, "--confidence", 1, "--output", tmp_path / "out")
    cells = (SIZE // 8) ** 2 + (SIZE // 16) ** 2 + (SIZE // 32) ** 2
    assert output.count(f"0 of {cells} candidates reached confidence 1; the best was 0.") == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.jpg", "c.jpg"}


def test_the_limit_of_detections_is_told_when_it_is_reached(home, images, tmp_path, capsys):
    # With these weights all boxes are within the image; others are not counted.
    weights = ["--weights", home / "start.pt", "--device", "cpu"]
    options = [*weights, "--confidence", 0.01, "--no-draw", "--output", tmp_path, "--max-detections"]
    output = accepted(capsys, "predict.py", images / "a.jpg", images / "a.png", *options, 2)
    assert "2 images, 4 objects" in output
    assert "note: 2 images reached the limit of 2 detections" in output
    output = accepted(capsys, "predict.py", images / "a.jpg", *options, 1000)
    assert "reached the limit" not in output


def test_sources_that_are_not_there(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights = ["--weights", trained_run.folder / "best.pt"]
    message = refused(capsys, "predict.py", "gone.jpg", "*.png", *weights)
    assert str(tmp_path / "gone.jpg") in message and "*.png" in message
    assert not list(tmp_path.iterdir())


def test_only_broken_images(trained_run, images, tmp_path, capsys):
    options = ["--weights", trained_run.folder / "best.pt", "--output", tmp_path, "--device", "cpu"]
    assert "could be read" in refused(capsys, "predict.py", images / "broken.jpg", *options)


def run_on(capsys, trained_run, *arguments, status=0):
    """predict.py in this process with the weights of the run; returns what it printed."""
    weights = ("--weights", trained_run.folder / "best.pt", "--device", "cpu")
    if not status:
        return accepted(capsys, "predict.py", *arguments, *weights)
    with pytest.raises(SystemExit) as end:
        accepted(capsys, "predict.py", *arguments, *weights)
    assert end.value.code == status
    return capsys.readouterr().out


def test_a_list_and_addresses(trained_run, images, tmp_path, capsys, monkeypatch):
    content = (images / "a.jpg").read_bytes()
    with serve(lambda handler: whole(handler, content)) as (address, _):
        names = f"{images / 'below' / 'c.webp'}\n{address}\n"
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(names.encode())))
        run_on(capsys, trained_run, "-", "--save-json", "--confidence", 0.1, "--output", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"c.jpg", "weights.jpg", "results.json"}
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert {entry["image"] for entry in found} == {str(images / "below" / "c.webp"), address}


def test_without_an_image_it_asks_again_and_again(trained_run, images, tmp_path, capsys, monkeypatch):
    """A wrong name is reported; equal names do not replace each other; an empty answer ends."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes((images / "a.jpg").read_bytes())
    answers = iter(
        ["gone.jpg", f'"{images / "a.jpg"}"', str(images / "broken.jpg"), str(other / "a.jpg"), ""]
    )
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or next(answers))
    monkeypatch.setattr(sys, "stdin", mock.Mock(isatty=lambda: True))
    output = run_on(capsys, trained_run, "--output", tmp_path / "out")
    assert len(asked) == 5 and asked[0] == "Input image filename:"
    assert "gone.jpg does not exist" in output and "broken.jpg" in output and "2 images" in output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.jpg", "a_jpg.jpg"}


def test_without_an_image_and_nobody_to_ask(trained_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    message = refused(capsys, "predict.py", "--weights", trained_run.folder / "best.pt", "--output", tmp_path)
    assert "no image given: name a file, a folder" in message


def test_no_images_of_boxes_if_not_wanted(trained_run, images, tmp_path, capsys):
    run_on(capsys, trained_run, images / "a.jpg", "--no-draw", "--save-csv", "--output", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


# Test-time augmentation, tiles, heat maps and choice of classes


def test_heat_maps_lie_beside_in_the_folders_of_the_images(trained_run, images, tmp_path, capsys):
    run_on(capsys, trained_run, images, "--heatmap", "--no-draw", "--output", tmp_path / "a", status=1)
    saved = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")}
    assert saved == {f"a/heatmaps/{name}.jpg" for name in ("a_jpg", "a_png", "below/c")}
    first = tmp_path / "a" / "heatmaps" / "below" / "c.jpg"
    with Image.open(first) as drawn, Image.open(images / "below" / "c.webp") as image:
        assert drawn.size == image.size
    one = ["--heatmap-class", CLASSES[1], "--no-draw", "--output", tmp_path / "b"]
    run_on(capsys, trained_run, images / "below", *one)
    assert (tmp_path / "b" / "heatmaps" / "c.jpg").read_bytes() != first.read_bytes()


def test_views_and_tiles_are_detected_on(trained_run, images, tmp_path, capsys):
    """The number of candidates tells: of 3 sizes, one of them flipped too; of 4 x 5 tiles and the whole."""
    options = [images / "a.jpg", "--confidence", 1, "--output", tmp_path]

    def cells(height, width):
        return sum((height // stride) * (width // stride) for stride in (8, 16, 32))

    assert SIZE == 64  # .83 and 1.2 times as large come to 64 too, in steps of 32
    views = 2 * cells(64, 64)
    assert f"0 of {views} candidates" in run_on(capsys, trained_run, *options, "--augment")
    with Image.open(images / "a.jpg") as image:
        columns, rows = (-(-(side - 64) // 51) + 1 for side in image.size)  # steps of .8 * 64
    looked = (1 + columns * rows) * cells(64, 64)
    assert f"0 of {looked} candidates" in run_on(capsys, trained_run, *options, "--tiles")
    Image.new("RGB", (200, 40)).save(tmp_path / "long.png")  # 64 x 13 on the input, in steps of 32
    long = [tmp_path / "long.png", "--confidence", 1, "--output", tmp_path / "long", "--rectangular"]
    assert f"0 of {cells(32, 64)} candidates" in run_on(capsys, trained_run, *long)


def test_classes_can_be_chosen_and_have_thresholds_of_their_own(trained_run, images, tmp_path, capsys):
    def found(*options):
        flags = ["--save-json", "--no-draw", "--output", tmp_path, "--confidence", 0.1, "--nms-iou", 0.05]
        run_on(capsys, trained_run, images / "below", *flags, *options)
        return json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))

    everything = found()
    names = {entry["category"] for entry in everything}
    chosen = sorted(names)[0]
    assert len(names) > 1
    assert {entry["category"] for entry in found("--only", chosen)} == {chosen}
    without = found("--class-confidence", f"{chosen}=1")
    assert without == [entry for entry in everything if entry["category"] != chosen]
    assert len(found("--agnostic-nms")) < len(everything)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--heatmap-class", "dog"], "--heatmap-class: there is no class dog; there are 杯子, 鱼"),
        (["--only", "dog"], "--only: there is no class dog"),
        (["--tile-overlap", 0.95], "--tile-overlap must be from 0 to 0.9, not 0.95"),
        (["--benchmark", -1], "--benchmark must be at least 0, not -1"),
    ],
)
def test_wrong_options_are_refused(trained_run, images, tmp_path, capsys, flags, message):
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu", "--output", tmp_path / "out"]
    assert message in refused(capsys, "predict.py", images / "a.jpg", *weights, *flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--class-confidence", "key"], "write it as name=0.3"),
        (["--fps", 20], "Unrecognized options: --fps"),  # of video.py; here it is --benchmark
    ],
)
def test_what_the_command_line_cannot_be(trained_run, images, capsys, monkeypatch, flags, message):
    monkeypatch.setenv("COLUMNS", "200")  # no line breaks in the message
    weights = ["--weights", trained_run.folder / "best.pt"]
    command = ["predict.py", *map(str, [images / "a.jpg", *weights, *flags])]
    with mock.patch.object(sys, "argv", command), pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "predict.py"), run_name="__main__")
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_the_speed_of_each_stage_and_no_file(trained_run, images, tmp_path, capsys):
    options = ["--benchmark", 2, "--output", tmp_path / "out", "--save-json"]
    output = run_on(capsys, trained_run, images / "a.jpg", images / "a.png", *options)
    assert "2 images, 2 times, in batches of 8" in output
    stages = [line.split()[0] for line in output.splitlines() if "%" in line]
    assert stages == ["decode", "preprocess", "network", "NMS", "draw", "save", "all"]
    assert "images/s" in output and not (tmp_path / "out").exists()


# What cannot be read or written: one sentence each, and the rest goes on


def test_bad_images_are_named_and_the_rest_goes_on(trained_run, images, tmp_path):
    """Cut off, empty, a text, missing, a bomb by its header; and one 60,000 pixels wide, which works."""
    good = (images / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image at all")
    (tmp_path / "good.jpg").write_bytes(good)
    Image.new("RGB", (60_000, 20), (90, 120, 30)).save(tmp_path / "wide.png")
    bomb = io.BytesIO()
    Image.new("1", (8, 8)).save(bomb, "PNG")
    size = (60_000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(bomb.getvalue()[:16] + size + bomb.getvalue()[24:])
    Image.new("RGB", (70_000, 10)).save(tmp_path / "wider.png")
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu"]
    done = script("predict.py", ".", *weights, "--output", "out", cwd=tmp_path, status=1)
    skipped = [line for line in done.stdout.splitlines() if line.startswith("skipped: ")]
    assert [line.split(": ")[1] for line in skipped] == ["bomb.png", "cut.jpg", "empty.jpg", "text.jpg"]
    assert "60000x60000 pixels" in skipped[0] and "empty" in skipped[2] and "not an image" in skipped[3]
    assert "incomplete: 4 of 7 images could not be read" in done.stderr
    # JPEG ends at 65,500 pixels
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.jpg", "wide.jpg", "wider.png"}


def test_an_image_that_may_not_be_read(trained_run, images, tmp_path, capsys, monkeypatch):
    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("utils.images.image_io.np.fromfile", denied)
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu", "--output", tmp_path]
    assert "could be read" in refused(capsys, "predict.py", images / "a.jpg", *weights)


def test_a_full_disk_is_reported_in_a_sentence(trained_run, images, small_disk):
    """16 MB, of which less than an image takes are left; what was saved before is whole."""
    (small_disk / "ballast").write_bytes(b"x" * (16 * 2**20 - 8192))
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu"]
    done = script("predict.py", images, *weights, "--output", small_disk / "out", cwd=images, status=2)
    (line,) = [line for line in done.stderr.splitlines() if "error: " in line]
    assert "cannot be saved (No space left on device): make room, or give another --output" in line
    for path in (small_disk / "out").rglob("*.jpg"):
        Image.open(path).load()


def test_names_as_long_as_they_can_be(trained_run, images, tmp_path, capsys):
    """Two that differ in their last letter only; all kinds of results."""
    for name in ("x" * 251, "x" * 250 + "y", "猫" * 83):
        suffix = ".jpg" if len(name) > 200 else ".png"
        (tmp_path / f"{name}{suffix}").write_bytes((images / "a.jpg").read_bytes())
    options = ["--crop", "--heatmap", "--save-txt", "--save-json", "--save-csv", "--confidence", 0.15]
    output = run_on(capsys, trained_run, tmp_path, *options, "--output", tmp_path / "out")
    assert "3 images" in output and "not saved" not in output
    for folder in ("", "labels", "heatmaps"):
        assert len([path for path in (tmp_path / "out" / folder).iterdir() if "." in path.name]) >= 3
    found = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    crops = [*(tmp_path / "out" / "crops").rglob("*.jpg")]
    assert len(crops) == sum(min(entry["bbox"][2:]) > 0 for entry in found) > 0


def test_an_image_whose_result_cannot_be_saved(trained_run, images, tmp_path, capsys):
    (tmp_path / "out" / "a_jpg.jpg").mkdir(parents=True)  # where the result of a.jpg belongs
    options = ["--save-json", "--output", tmp_path / "out", "--confidence", 0.15]
    weights = ("--weights", trained_run.folder / "best.pt", "--device", "cpu")
    with pytest.raises(SystemExit) as end:
        accepted(capsys, "predict.py", images / "a.jpg", images / "a.png", *options, *weights)
    output = capsys.readouterr()
    assert end.value.code == 1 and "incomplete: 1 of 2 images could not be saved" in output.err
    assert "not saved: " in output.out and (tmp_path / "out" / "a_png.jpg").is_file()
    assert len({e["image"] for e in json.loads((tmp_path / "out/results.json").read_text("utf-8"))}) == 2


def test_an_output_that_is_a_file(trained_run, images, tmp_path, capsys):
    (tmp_path / "out").touch()
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu", "--output", tmp_path / "out"]
    assert "nothing can be saved in" in refused(capsys, "predict.py", images / "a.jpg", *weights)
