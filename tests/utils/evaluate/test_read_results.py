"""Files of every form, brought together."""

import dataclasses
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.helpers import SHARED, needs_shared
from tests.utils.evaluate.evaluation_cases import random_case
from tests.utils.evaluate.result_cases import coco_dicts, write_json
from tests.utils.evaluate.test_coco_metrics import NAMES, peer_figures
from utils.data.index import ImageRecord, build_index
from utils.evaluate.evaluator import evaluate
from utils.evaluate.read_results import files_of_index, read_ground_truth_and_results, read_results


@pytest.mark.filterwarnings("ignore:.*no area")
@pytest.mark.parametrize("block", range(10))
def test_two_hundred_hard_cases_in_files_equal_pycocotools(tmp_path, block):
    """In JSON from the test's own hands; detections shuffled, for a file may have any order."""
    compared = 0
    for seed in range(block * 20, block * 20 + 20):
        rng = np.random.default_rng(seed)
        truth, detections = random_case(rng)
        sound = [
            dataclasses.replace(d, boxes=np.sort(d.boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4))
            for d in detections
        ]
        if not any(map(len, sound)):
            continue
        content, results = coco_dicts(truth, sound)
        images = rng.permutation(truth.num_images)  # each image's own order decides between equal scores
        results = [entry for image in images for entry in results if entry["image_id"] == 7 + 3 * image]
        paths = write_json(tmp_path / "t.json", content), write_json(tmp_path / "d.json", results)
        files, (found,) = read_ground_truth_and_results(str(paths[0]), [paths[1]])
        figures = [evaluate(found, files.ground_truth).coco[name] for name in NAMES]
        expected = peer_figures(truth, sound).stats
        np.testing.assert_allclose(np.nan_to_num(figures, nan=-1), expected, atol=1e-9, rtol=0)
        compared += 1
    assert compared > 10


def entry(image, category="cup", box=(0, 0, 10, 10), score=0.9):
    return {"image": image, "category": category, "bbox": list(box), "score": score}


def truth_json(path):
    content = {
        "images": [{"id": 2, "file_name": "sub/b.c.jpg"}, {"id": 1, "file_name": "sub/a.jpg"}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [{"id": 1, "image_id": 2, "category_id": 1, "bbox": [0, 0, 10, 10]}],
    }
    return write_json(path / "t.json", content)


@pytest.mark.parametrize("name", ["sub/b.c.jpg", "/elsewhere/b.c.jpg", "C:\\photos\\b.c.png", "b.c"])
def test_images_are_joined_by_their_file_names(tmp_path, name):
    found = write_json(tmp_path / "d.json", [entry(name)])
    files, (detections,) = read_ground_truth_and_results(str(truth_json(tmp_path)), [found])
    assert detections.image_numbers.tolist() == [1] and files.paths is None
    assert evaluate(detections, files.ground_truth).map50 == 1


@pytest.mark.parametrize("category", ["caf\u00e9", "cafe\u0301", " caf\u00e9 "])
def test_one_spelling_of_a_class_in_results_by_name(tmp_path, category):
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}
    content["categories"] = [{"id": 1, "name": "cup"}, {"id": 2, "name": "cafe\u0301"}]
    truth = write_json(tmp_path / "t.json", content)
    found = write_json(tmp_path / "d.json", [entry("a.jpg") | {"category": category}])
    _, (detections,) = read_ground_truth_and_results(str(truth), [found])
    assert detections.labels.tolist() == [1]


@pytest.mark.parametrize("category", ["cu", "c\nup", "", None, 1])
def test_a_class_that_there_is_not(tmp_path, category):
    found = write_json(tmp_path / "d.json", [entry("a.jpg") | {"category": category}])
    with pytest.raises(
        ValueError, match=r"entry 1 has the category .*, which the ground truth does not have"
    ):
        read_ground_truth_and_results(str(truth_json(tmp_path)), [found])


def test_text_for_coco_and_the_other_way_round(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "b.c.txt").write_text("cup 0.9 0 0 10 10\n", "utf-8")
    files, (detections,) = read_ground_truth_and_results(str(truth_json(tmp_path)), [results])
    assert evaluate(detections, files.ground_truth).map50 == 1
    objects = tmp_path / "objects"
    objects.mkdir()
    (objects / "b.c.txt").write_text("cup 0 0 10 10\n", "utf-8")
    (objects / "a.txt").write_text("", "utf-8")
    files, (detections,) = read_ground_truth_and_results(
        str(objects), [write_json(tmp_path / "d.json", [entry("x/b.c.png")])]
    )
    assert files.ground_truth.num_images == 2 and evaluate(detections, files.ground_truth).map50 == 1


def test_with_the_folder_of_the_images_their_paths_are_known(tmp_path):
    path = truth_json(tmp_path)
    found = write_json(tmp_path / "d.json", [])
    files, _ = read_ground_truth_and_results(f"{path}:{tmp_path}", [found])
    assert files.paths == [tmp_path / "sub/a.jpg", tmp_path / "sub/b.c.jpg"]
    with pytest.raises(ValueError, match=r"the image folder .*gone does not exist"):
        read_ground_truth_and_results(f"{path}:{tmp_path / 'gone'}", [found])


def test_coco_files_name_their_own_classes(tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("cup\n", "utf-8")
    with pytest.raises(ValueError, match="has class names of its own: remove --classes"):
        read_ground_truth_and_results(
            str(truth_json(tmp_path)), [write_json(tmp_path / "d.json", [])], classes
        )


def test_classes_of_text_are_those_labelled_and_those_detected(tmp_path):
    for name, text in (("t", "cup 0 0 9 9\n"), ("d", "ant 0.5 0 0 9 9\ncup 0.9 0 0 9 9\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(text, "utf-8")
    files, (found,) = read_ground_truth_and_results(str(tmp_path / "t"), [tmp_path / "d"])
    assert files.ground_truth.class_names == ("ant", "cup") and found.labels.tolist() == [0, 1]
    assert evaluate(found, files.ground_truth).map50 == 1  # ants do not count: there are none
    (tmp_path / "d" / "1.txt").write_text("Cup 0.9 0 0 9 9\n", "utf-8")
    with pytest.raises(ValueError, match=r"no class of .*d \(Cup\) is one of .* \(cup\)"):
        read_ground_truth_and_results(str(tmp_path / "t"), [tmp_path / "d"])


def test_a_name_that_two_images_share_is_not_guessed(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "x/a.jpg"}, {"id": 2, "file_name": "y/a.jpg"}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [],
    }
    path = write_json(tmp_path / "t.json", content)
    with pytest.raises(ValueError, match=r"entry 1 has the image 'a\.jpg', which"):
        read_ground_truth_and_results(str(path), [write_json(tmp_path / "d.json", [entry("a.jpg")])])


def test_a_data_set_numbers_its_images_and_classes_from_one(tmp_path):
    box = np.array([[0, 0, 10, 10]], np.float32)
    index = build_index(
        [ImageRecord("/a.jpg"), ImageRecord("/b.jpg", box, np.array([1], np.int32))], ["x", "y"]
    )
    files = files_of_index(index)
    found = write_json(
        tmp_path / "d.json", [{"image_id": 2, "category_id": 2, "bbox": [0, 0, 10, 10], "score": 1}]
    )
    detections = read_results(found, files)
    assert (detections.image_numbers.tolist(), detections.labels.tolist()) == ([1], [1])
    assert evaluate(detections, files.ground_truth).map50 == 1


@needs_shared
def test_a_hundred_voc_images_as_text(tmp_path):
    """As the classic scripts have it: AP50 by area .6109, by 11 points .5990, difficult objects counted."""
    source = SHARED / "data" / "voc100"
    names = (source / "voc.names").read_text("utf-8").split()
    objects, results = tmp_path / "ground-truth", tmp_path / "detection-results"
    for folder in (objects, results):
        folder.mkdir()
    for file in (source / "gts" / "pascalvoc_format").glob("*.xml"):
        lines = [
            " ".join(
                [
                    item.findtext("name"),
                    *(item.findtext(f"bndbox/{s}") for s in ("xmin", "ymin", "xmax", "ymax")),
                ]
            )
            for item in ElementTree.parse(file).getroot().iter("object")
        ]
        (objects / f"{file.stem}.txt").write_text("\n".join(lines), "utf-8")
    for file in (source / "dets" / "abs_xyx2y2").glob("*.txt"):
        rows = [line.split() for line in file.read_text("utf-8").splitlines()]
        text = "".join(f"{names[int(row[0])]} {' '.join(row[1:])}\n" for row in rows)
        (results / file.name).write_text(text, "utf-8")
    files, (found,) = read_ground_truth_and_results(str(objects), [results])
    metrics = evaluate(found, files.ground_truth)
    assert np.nanmean(metrics.voc_area) == pytest.approx(0.6109, abs=5e-5)
    assert np.nanmean(metrics.voc07) == pytest.approx(0.5990, abs=5e-5)
    shutil.rmtree(results)
    with pytest.raises(ValueError, match="does not exist"):
        read_ground_truth_and_results(str(objects), [results])
