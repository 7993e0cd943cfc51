import json
import re

import numpy as np
import pytest

from tests.utils.evaluate.result_cases import write_json
from utils.evaluate import coco_results
from utils.evaluate.coco_results import Join, read_coco_results

IDS = Join(
    "image_id", "category_id", lambda v: {1: 0, 2: 1, "x": 2}.get(v, -1), lambda v: {10: 0, 20: 1}.get(v, -1)
)
NAMES = Join("image", "category", lambda v: {"a.jpg": 0}.get(v, -1), lambda v: {"cup": 0}.get(v, -1))
GOOD = {"image_id": 1, "category_id": 20, "bbox": [1, 2.5, 3, 4], "score": 0.1}


def read(path):
    return read_coco_results(path, IDS, NAMES)


def test_boxes_become_corners_and_keep_every_digit(tmp_path):
    entries = [GOOD, {"score": 1, "bbox": [0.1, 0.2, 0.3, 0], "category_id": 10, "image_id": "x", "id": 5}]
    found = read(write_json(tmp_path / "a.json", entries))
    assert found.image_numbers.tolist() == [0, 2] and found.labels.tolist() == [1, 0]
    assert found.scores.tolist() == [0.1, 1]
    assert found.boxes.tolist() == [[1, 2.5, 4, 6.5], [0.1, 0.2, 0.1 + 0.3, 0.2]]


def test_entries_with_names_are_joined_by_them(tmp_path):
    entry = {"image": "a.jpg", "category": "cup", "bbox": [1, 2, 3, 4], "score": 0.5}
    found = read(write_json(tmp_path / "a.json", [entry]))
    assert (found.image_numbers.tolist(), found.labels.tolist()) == ([0], [0])


@pytest.mark.parametrize("text", ["[]", " [ ] \n", "\ufeff[]"])
def test_no_detections(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    found = read(path)
    assert found.boxes.shape == (0, 4) and found.image_numbers.dtype == np.int64


@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize("block", [1, 40, 300, 1 << 20])
def test_blocks_may_be_cut_anywhere(tmp_path, monkeypatch, options, block):
    """Within nested objects, and within text that looks like the end of an entry."""
    monkeypatch.setattr(coco_results, "CHARACTERS_AT_ONCE", block)
    extra = {"segmentation": {"size": [3, 4], "counts": 'a},{"}, {'}, "keypoints": [{"x": 1}, {"x": 2}]}
    entries = [GOOD | {"score": k / 64} | (extra if k % 3 else {}) for k in range(50)]
    found = read(write_json(tmp_path / "a.json", entries, **options))
    assert found.scores.tolist() == [k / 64 for k in range(50)]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"image_id": 3}, "has the image_id 3, which the ground truth does not have"),
        ({"image_id": [1]}, "has the image_id [1], which"),
        ({"category_id": 30}, "has the category_id 30, which the ground truth does not have"),
        ({"score": float("nan")}, "has the score nan, which is no finite number"),
        ({"score": float("inf")}, "has the score inf, which is no finite number"),
        ({"score": "0.5"}, "has the score '0.5', which is no finite number"),
        ({"score": True}, "has the score True, which is no finite number"),
        ({"score": None}, "has the score None, which is no finite number"),
        ({"score": 10**400}, "which is no finite number"),
        ({"bbox": [1, 2, 3]}, "has the bbox [1, 2, 3], which is not four finite numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "which is not four finite numbers"),
        ({"bbox": [1, 2, 3, float("nan")]}, "which is not four finite numbers"),
        ({"bbox": None}, "which is not four finite numbers"),
        (
            {"bbox": [9, 9, -3, 4]},
            "has the bbox [9, 9, -3, 4] with a negative side: it is x, y, width, height",
        ),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_a_bad_entry_is_named(tmp_path, entry, complaint, place):
    entries = [GOOD, GOOD, GOOD]
    entries[place] = GOOD | entry
    path = write_json(tmp_path / "a.json", entries)
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: entry {place + 1} ") and "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "score"])
def test_a_missing_key_is_named(tmp_path, key):
    bad = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(ValueError, match=rf"entry 2 has no {key}$"):
        read(write_json(tmp_path / "a.json", [GOOD, bad]))


def test_a_bad_entry_in_a_later_block_is_counted_through(tmp_path, monkeypatch):
    monkeypatch.setattr(coco_results, "CHARACTERS_AT_ONCE", 50)
    with pytest.raises(ValueError, match="entry 31 has the score nan"):
        read(write_json(tmp_path / "a.json", [GOOD] * 30 + [GOOD | {"score": float("nan")}] + [GOOD] * 5))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty: detections are a list"),
        ("5", "is no JSON list"),
        ('{"images": [], "annotations": []}', r"is a JSON object \(an annotation file\? .*--ground-truth"),
        ("[5]", "entry 1 has no image and class"),
        ('[{"bbox": [1, 2, 3, 4]}]', 'entry 1 has no image and class.*"image_id", "category_id"'),
        (json.dumps([GOOD, 5]), "entry 2 is no JSON object"),
        ("[" * 100_000, "cannot be read|is not complete"),
    ],
)
def test_other_files_are_refused(tmp_path, text, complaint):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        read(path)


@pytest.mark.parametrize("block", [30, 1 << 20])
def test_a_file_cut_anywhere_is_said_to_be_cut(tmp_path, monkeypatch, block):
    monkeypatch.setattr(coco_results, "CHARACTERS_AT_ONCE", block)
    path = write_json(tmp_path / "a.json", [GOOD] * 4, indent=1)
    whole = path.read_text("utf-8")
    for length in range(2, len(whole) - 1, 7):
        path.write_text(whole[:length], encoding="utf-8")
        with pytest.raises(ValueError, match=r"is not complete JSON \(line \d+, column \d+: .*cut off"):
            read(path)
    path.write_text(whole[:200], encoding="utf-8")
    with pytest.raises(ValueError, match=f"line {whole[:200].count(chr(10)) + 1}, column"):
        read(path)


def test_what_follows_the_list_is_no_list(tmp_path):
    path = write_json(tmp_path / "a.json", [GOOD])
    path.write_text(path.read_text("utf-8") + "]", encoding="utf-8")
    with pytest.raises(ValueError, match="Extra data"):
        read(path)
