"""What is written is read back bit for bit, by us and by pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.utils.evaluate.evaluation_cases import random_case
from utils.evaluate.evaluator import evaluate
from utils.evaluate.ground_truth import flatten_detections
from utils.evaluate.read_results import read_ground_truth_and_results
from utils.evaluate.write_results import write_coco_ground_truth, write_coco_results, write_text_folders


def sound_case(seed):
    """A hard case without inverted detections, which have no place in files, and with uneven numbers."""
    rng = np.random.default_rng(seed)
    truth, detections = random_case(rng)
    found = flatten_detections(detections)
    low, high = (
        np.minimum(found.boxes[:, :2], found.boxes[:, 2:]),
        np.maximum(found.boxes[:, :2], found.boxes[:, 2:]),
    )
    shift = rng.uniform(0, 1, (len(low), 1)).astype(np.float32)
    boxes = np.concatenate([low, high], 1).astype(np.float32) + shift
    return truth, found._replace(boxes=boxes.astype(np.float64))


@pytest.mark.filterwarnings("ignore:.*no area")
@pytest.mark.parametrize("seed", range(8))
def test_coco_files(tmp_path, seed):
    truth, found = sound_case(seed)
    names = [f"图 {row}.jpg" for row in range(truth.num_images)]
    write_coco_ground_truth(tmp_path / "t.json", truth, names)
    write_coco_results(tmp_path / "d.json", found)
    files, (again,) = read_ground_truth_and_results(str(tmp_path / "t.json"), [tmp_path / "d.json"])
    assert files.names == names and files.ground_truth.class_names == truth.class_names
    for name in ("image_numbers", "boxes", "labels", "difficult", "crowd", "areas"):
        np.testing.assert_array_equal(getattr(files.ground_truth, name), getattr(truth, name), name)
    for column, expected in zip(again, found, strict=True):
        np.testing.assert_array_equal(column, expected)
    if len(found.scores) and not truth.difficult.any():  # which pycocotools does not know
        with contextlib.redirect_stdout(io.StringIO()):
            peer = COCO(str(tmp_path / "t.json"))
            peer = COCOeval(peer, peer.loadRes(str(tmp_path / "d.json")), "bbox")
            peer.evaluate()
            peer.accumulate()
            peer.summarize()
        ours = [*evaluate(again, files.ground_truth).coco.values()]
        np.testing.assert_allclose(np.nan_to_num(ours, nan=-1), peer.stats, atol=1e-12, rtol=0)


@pytest.mark.parametrize("seed", range(8))
def test_text_folders(tmp_path, seed):
    truth, found = sound_case(seed)
    names = [f"photos/a.{row}.jpg" for row in range(truth.num_images)]
    write_text_folders(tmp_path, truth, found, names)
    classes = tmp_path / "classes.txt"
    classes.write_text("\n".join(truth.class_names), encoding="utf-8")
    files, (again,) = read_ground_truth_and_results(
        str(tmp_path / "ground-truth"), [tmp_path / "detection-results"], classes
    )
    assert files.names == [f"a.{row}" for row in range(truth.num_images)]
    np.testing.assert_array_equal(files.ground_truth.boxes, truth.boxes)
    np.testing.assert_array_equal(files.ground_truth.difficult, truth.uncounted)
    for column, expected in zip(again, found, strict=True):
        np.testing.assert_array_equal(column, expected)


def test_images_of_one_name_have_files_of_their_own(tmp_path):
    truth, found = sound_case(3)
    names = [f"{row}/same.jpg" for row in range(truth.num_images)]
    write_text_folders(tmp_path, truth, found, names)
    assert len(list((tmp_path / "ground-truth").iterdir())) == truth.num_images > 1


def test_files_of_other_images_are_not_mixed_in(tmp_path):
    truth, found = sound_case(3)
    other = tmp_path / "detection-results" / "other.txt"
    other.parent.mkdir()
    other.write_text("", "utf-8")
    with pytest.raises(ValueError, match=r"holds text files of other images, for example other\.txt"):
        write_text_folders(tmp_path, truth, found, [f"{row}.jpg" for row in range(truth.num_images)])
    assert not (tmp_path / "ground-truth").exists()
