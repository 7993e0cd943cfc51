import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import random_case
from tests.utils.evaluate.result_cases import coco_dicts, write_json
from utils.evaluate.coco_ground_truth import read_coco_ground_truth


def small(**changes):
    """Two images, a box of float coordinates, and a box without area."""
    annotations = [
        {"id": 1, "image_id": 9, "category_id": 4, "bbox": [0.1, 0.2, 0.3, 0.4], "area": 0.05, "iscrowd": 0},
        {"id": 2, "image_id": 3, "category_id": 2, "bbox": [5, 5, 0, 7], "iscrowd": 1, "difficult": 1},
    ]
    content = {
        "images": [{"id": 9, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}],
        "categories": [{"id": 4, "name": "鱼"}, {"id": 2, "name": "cup"}],
        "annotations": annotations,
    }
    return content | changes


def test_nothing_is_rounded_or_left_out(tmp_path):
    with pytest.warns(UserWarning, match="1 boxes have no area"):
        coco = read_coco_ground_truth(write_json(tmp_path / "a.json", small()))
    truth = coco.ground_truth
    assert truth.class_names == ("cup", "鱼") and truth.num_images == 2
    assert coco.file_names == ["a.jpg", "b.jpg"] and coco.rows == {3: 0, 9: 1} and coco.labels == {2: 0, 4: 1}
    assert truth.boxes.tolist() == [[0.1, 0.2, 0.1 + 0.3, 0.2 + 0.4], [5, 5, 5, 12]]
    assert truth.image_numbers.tolist() == [1, 0] and truth.labels.tolist() == [1, 0]
    assert truth.areas.tolist() == [0.05, 0] and truth.areas.dtype == np.float64
    assert truth.crowd.tolist() == [False, True] == truth.difficult.tolist()


@pytest.mark.filterwarnings("ignore:.*no area")
@pytest.mark.parametrize("seed", range(5))
def test_hard_cases_come_back(tmp_path, seed):
    truth, detections = random_case(np.random.default_rng(seed))
    read = read_coco_ground_truth(
        write_json(tmp_path / "a.json", coco_dicts(truth, detections)[0])
    ).ground_truth
    for name in ("image_numbers", "boxes", "labels", "crowd", "difficult", "areas"):
        np.testing.assert_array_equal(getattr(read, name), getattr(truth, name), name)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": [{"id": 3}]}, "annotation 1: its image_id 9 is unknown"),
        ({"categories": [{"id": 2, "name": "a"}]}, "category_id 4 is unknown"),
    ],
)
def test_what_cannot_be_used_is_warned_of(tmp_path, changes, reason):
    with pytest.warns(UserWarning) as warned:
        coco = read_coco_ground_truth(write_json(tmp_path / "a.json", small(**changes)))
    assert reason in str(warned[0].message) and len(coco.ground_truth.boxes) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"categories": [{"id": 2, "name": "a"}, {"id": 4, "name": "a"}]}, "holds 'a' more than once"),
        ({"annotations": [{"image_id": 3, "category_id": 2}]}, "bbox is missing, not four numbers"),
        ({"annotations": [{"image_id": 3, "category_id": 2, "bbox": [1, 2, 3]}]}, "not four numbers"),
        ({"annotations": [{"image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 1e999]}]}, "not a finite"),
    ],
)
def test_bad_files_are_refused_in_a_sentence(tmp_path, changes, complaint):
    path = write_json(tmp_path / "a.json", small(**changes))
    with pytest.raises(ValueError, match=complaint) as error:
        read_coco_ground_truth(path)
    assert str(path) in str(error.value)
