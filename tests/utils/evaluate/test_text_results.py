import numpy as np
import pytest

from utils.evaluate.text_results import read_text_boxes, text_ground_truth, text_results


def folder(path, **files):
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    return path


def test_objects(tmp_path):
    texts = {"b": "cup 1 2 3.5 4\nred fish 1 2 3 4 difficult\n", "a": "", "c.d": "\ufeffcup 0 0 9 9\r\n\r\n"}
    boxes = read_text_boxes(folder(tmp_path / "t", **texts), with_scores=False)
    truth = text_ground_truth(boxes, ["red fish", "cup"])
    assert boxes.ids == ["a", "b", "c.d"] and truth.num_images == 3
    assert truth.image_numbers.tolist() == [1, 1, 2] and truth.labels.tolist() == [1, 0, 1]
    assert truth.boxes.tolist() == [[1, 2, 3.5, 4], [1, 2, 3, 4], [0, 0, 9, 9]]
    assert truth.difficult.tolist() == [False, True, False]
    assert truth.areas.tolist() == [5, 4, 81] and not truth.crowd.any()


def test_a_class_may_be_called_difficult(tmp_path):
    boxes = read_text_boxes(folder(tmp_path / "t", a="difficult 1 2 3 4\n"), with_scores=False)
    assert boxes.names == ["difficult"] and boxes.difficult.tolist() == [False]


def test_one_spelling_of_a_class(tmp_path):
    boxes = read_text_boxes(
        folder(tmp_path / "t", a="cafe\u0301 1 2 3 4\ncaf\u00e9 1 2 3 4\n"), with_scores=False
    )
    assert boxes.names == ["caf\u00e9"] * 2


def test_detections_keep_every_digit(tmp_path):
    results = read_text_boxes(folder(tmp_path / "d", b="a 杯 0.1 .2 1e-3 3 4.25\n"), with_scores=True)
    found = text_results(results, {"a": 0, "b": 1}, ["a 杯"])
    assert (
        found.image_numbers.tolist() == [1]
        and found.scores.tolist() == [0.1]
        and found.labels.tolist() == [0]
    )
    assert found.boxes.tolist() == [[0.2, 1e-3, 3, 4.25]] and found.boxes.dtype == np.float64


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("cup 1 2 3", "expected `class score left top right bottom`, found `cup 1 2 3`"),
        ("0.5 1 2 3 4", "expected `class score"),
        ("cup x 1 2 3 4", "expected `class score left top right bottom`, found `cup x 1 2 3 4`"),
        ("cup nan 1 2 3 4", "not all of nan 1 2 3 4 are finite"),
        ("cup 0.5 1 2 inf 4", "not all of 0.5 1 2 inf 4 are finite"),
        ("cup 0.5 3 2 1 4", "the box 3 2 1 4 is inverted"),
        ("cup 0.5 1 4 3 2", "the box 1 4 3 2 is inverted"),
        ("c\x07p 0.5 1 2 3 4", r"the class name 'c\\x07p' has control characters"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, complaint):
    path = folder(tmp_path / "d", a=f"cup 0.5 1 2 3 4\n\n{line}\n")
    with pytest.raises(ValueError, match=complaint) as error:
        read_text_boxes(path, with_scores=True)
    assert str(error.value).startswith(f"{path / 'a.txt'}, line 3: ") and "\n" not in str(error.value)


def test_files_and_classes_that_are_not_known(tmp_path):
    path = folder(tmp_path / "d", a="cup 0.5 1 2 3 4\n", z="")
    boxes = read_text_boxes(path, with_scores=True)
    with pytest.raises(ValueError, match=r"z\.txt belongs to no image .* first is a; so do 1 of 2 files"):
        text_results(boxes, {"a": 0}, ["cup"])
    with pytest.raises(ValueError, match="has the classes cup, which are neither in"):
        text_results(boxes, {"a": 0, "z": 1}, ["fish"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no \.txt files"):
        read_text_boxes(tmp_path / "empty", with_scores=True)
