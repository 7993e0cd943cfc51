"""Damaged files of ground truth and detections: measured, or refused by a `ValueError` that names a file."""

import json

import pytest
from hypothesis import given

from tests.utils.fuzzing import fuzz, mutated, quickly, read_or_refuse
from utils.evaluate.evaluator import evaluate
from utils.evaluate.read_results import read_ground_truth_and_results

TRUTH = {
    "images": [{"id": k, "file_name": f"图 {k}.jpg"} for k in range(3)],
    "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
    "annotations": [
        {"id": k, "image_id": k, "category_id": 7, "bbox": [1, 2, 30, 40.5], "area": 9, "iscrowd": k % 2}
        for k in range(3)
    ],
}
RESULTS = [
    {"image_id": k % 3, "category_id": 1 + 6 * (k % 2), "bbox": [1, 2, 30, 40], "score": k / 8}
    for k in range(6)
]
NAMED = [{"image": "图 1.jpg", "category": "cat", "bbox": [1, 2, 30, 40], "score": 0.5}] * 2
OBJECTS = b"cat 1 2 30 40\nhot dog 1 2 3.5 4 difficult\n"
LINES = b"cat 0.5 1 2 30 40\nhot dog 1e-3 1 2 3.5 4\n"


def as_json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def measured(path, spec, detections):
    """What evaluation makes of the files; `path` is the damaged one, which a refusal names."""
    files, (found,) = read_ground_truth_and_results(spec, [detections])
    return evaluate(found, files.ground_truth).to_json()


@fuzz
@pytest.mark.filterwarnings("ignore:.*no area")
@given(mutated([as_json(RESULTS), as_json(NAMED), json.dumps(RESULTS, indent=1).encode()]))
def test_coco_results(tmp_path_factory, content):
    truth, path = (tmp_path_factory.getbasetemp() / f"fuzz_{name}.json" for name in ("truth", "results"))
    truth.write_bytes(as_json(TRUTH))
    path.write_bytes(content)
    read_or_refuse(measured, path, str(truth), path)


@fuzz
@pytest.mark.filterwarnings("ignore:.*no area")
@given(mutated([as_json(TRUTH)]))
def test_coco_truth(tmp_path_factory, content):
    path, found = (tmp_path_factory.getbasetemp() / f"fuzz_{name}.json" for name in ("truth2", "results2"))
    path.write_bytes(content)
    found.write_bytes(b"[]")
    read_or_refuse(measured, path, str(path), found)


def text_folders(parent, objects, lines):
    """A folder of objects and one of detections, of one image."""
    folders = parent / "fuzz_objects", parent / "fuzz_found"
    for folder, text in zip(folders, (objects, lines), strict=True):
        folder.mkdir(exist_ok=True)
        (folder / "1.txt").write_bytes(text)
    return folders


@fuzz
@given(mutated([LINES, LINES.replace(b"\n", b"\r\n"), LINES * 20]))
def test_text_results(tmp_path_factory, content):
    objects, found = text_folders(tmp_path_factory.getbasetemp(), OBJECTS, content)
    read_or_refuse(measured, found, str(objects), found)


@fuzz
@given(mutated([OBJECTS, OBJECTS * 20]))
def test_text_truth(tmp_path_factory, content):
    objects, found = text_folders(tmp_path_factory.getbasetemp(), content, LINES)
    read_or_refuse(measured, objects, str(objects), found)


@pytest.mark.parametrize(
    "content", [b"[" * 1_000_000, b"[" + b"{}," * 300_000, b'[{"a": "' + b"},{" * 300_000, b"{" * 1_000_000]
)
def test_hostile_results_take_no_longer_than_their_length(tmp_path, content):
    truth, path = tmp_path / "truth.json", tmp_path / "results.json"
    truth.write_bytes(as_json(TRUTH))
    path.write_bytes(content)
    with quickly(), pytest.raises(ValueError, match=r"results\.json"):
        read_ground_truth_and_results(str(truth), [path])
