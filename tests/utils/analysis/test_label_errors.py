"""Labels that were damaged on purpose are found again."""

import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case
from utils.analysis.label_errors import find_label_errors
from utils.data.detections import Detections
from utils.evaluate.evaluator import match_detections
from utils.evaluate.ground_truth import GroundTruth

OTHER = (50, 0, 60, 10)


def label_errors(truth, *of_image):
    return find_label_errors(match_detections([found(*of_image)], truth))


def test_labels_that_agree_are_no_errors():
    assert label_errors(objects([[UNIT]]), (UNIT, 0.9), ((2, 0, 12, 10), 0.5)) == []


def test_a_missing_label():
    (error,) = label_errors(objects([[UNIT]]), (UNIT, 0.9), (OTHER, 0.75), ((51, 0, 61, 10), 0.5))
    assert error == ("missing", 0, 0.75, -1, 0, None, OTHER)


def test_a_label_of_another_class():
    truth = objects([[UNIT]], labels=[[0]], classes=2)
    (error,) = label_errors(truth, (UNIT, 0.75, 1), (UNIT, 0.25, 0))
    assert error == ("class", 0, 0.5, 0, 1, UNIT, UNIT)  # .75, less what speaks for the label
    assert label_errors(truth, (UNIT, 0.5, 1), (UNIT, 0.75, 0)) == []


def test_a_label_that_lies_elsewhere():
    moved = (5, 0, 15, 10)  # 50 / 150 overlap
    (error,) = label_errors(objects([[UNIT]]), (moved, 0.75))
    assert error._replace(score=0) == ("box", 0, 0, 0, 0, UNIT, moved)
    assert error.score == pytest.approx(0.5)
    assert label_errors(objects([[UNIT, moved]]), (moved, 0.75)) == []  # the neighbour's


@pytest.mark.parametrize(("images", "unseen", "score"), [(100, 1, 0.99 * 0.75), (100, 2, 0.98 * 0.75 / 2)])
def test_a_label_with_nothing_there(images, unseen, score):
    """One in a hundred is a usual share of faults; of twice as many, half are the detector's own."""
    truth = objects([[UNIT]] * images)
    detections = [found((UNIT, 0.75))] * (images - unseen) + [found((UNIT, 0.05))] * unseen
    result = find_label_errors(match_detections(detections, truth))
    places = [("nothing there", image, 0, -1, UNIT, None) for image in range(images - unseen, images)]
    assert [error[:2] + error[3:] for error in result] == places
    assert [error.score for error in result] == pytest.approx([score] * unseen)


def test_something_else_there_is_no_doubt_of_that_kind():
    truth = objects([[UNIT]] * 10, labels=[[0]] * 10, classes=2)
    weak = ((7, 0, 17, 10), 0.15, 1)  # of another class, and overlapping by 30 / 170
    assert find_label_errors(match_detections([found((UNIT, 0.75))] * 9 + [found(weak)], truth)) == []


@pytest.mark.parametrize("flag", ["difficult", "crowd"])
def test_what_does_not_count_is_no_suspect(flag):
    truth = objects([[UNIT]], labels=[[0]], classes=2, **{flag: [[1]]})
    assert label_errors(truth, (UNIT, 0.9, 1)) == label_errors(truth, ((5, 0, 15, 10), 0.9, 0)) == []
    among_others = objects([[UNIT]] * 100, **{flag: [[0]] * 99 + [[1]]})
    assert (
        find_label_errors(match_detections([found((UNIT, 0.9))] * 99 + [Detections.empty()], among_others))
        == []
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(20))
def test_hard_cases(seed):
    truth, detections = random_case(np.random.default_rng(seed))
    result = find_label_errors(match_detections(detections, truth), limit=7)
    scores = [error.score for error in result]
    assert scores == sorted(scores, reverse=True) and len(result) <= 7
    assert all(0 < score <= 1 for score in scores)
    assert find_label_errors(match_detections([Detections.empty()] * truth.num_images, truth)) == []


def good_detector(rng, truth: GroundTruth) -> list[Detections]:
    """Finds 95 % of the objects, a little beside, with scores around .8; and as many weak boxes anywhere."""
    detections = []
    for image in range(truth.num_images):
        here = np.flatnonzero((truth.image_numbers == image) & (rng.random(len(truth.labels)) < 0.95))
        boxes = truth.boxes[here] + rng.normal(0, 2, (len(here), 4))
        corner = rng.uniform(0, 500, (len(here), 2))
        weak = np.concatenate([corner, corner + rng.uniform(20, 120, (len(here), 2))], 1)
        scores = np.concatenate([rng.beta(8, 2, len(here)), rng.beta(1, 12, len(here))])
        labels = np.concatenate([truth.labels[here], rng.integers(0, 3, len(here))])
        detections.append(Detections(np.concatenate([boxes, weak]), scores, labels))
    return detections


@pytest.mark.parametrize("seed", range(5))
def test_damaged_labels_come_first(seed):
    """Of 400 labels 10 are dropped, 10 renamed and 10 moved: 25 or more are among the first 30 found."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(100), 4)
    place = np.tile([[0, 0], [320, 0], [0, 320], [320, 320]], (100, 1)) + rng.uniform(0, 200, (400, 2))
    boxes = np.concatenate([place, place + rng.uniform(40, 100, (400, 2))], 1)
    labels, nothing = rng.integers(0, 3, 400), np.zeros(400, bool)
    truth = GroundTruth(("a", "b", "c"), 100, image, boxes, labels, nothing, nothing, boxes[:, 0])
    detections = good_detector(rng, truth)

    dropped, renamed, moved = rng.permutation(400)[:30].reshape(3, 10)
    damaged, names = boxes.copy(), labels.copy()
    damaged[moved] += ((boxes[moved, 2:] - boxes[moved, :2]) * 0.4)[:, [0, 1, 0, 1]]
    names[renamed] = (names[renamed] + 1) % 3
    kept = np.delete(np.arange(400), dropped)
    columns = (image[kept], damaged[kept], names[kept], nothing[kept], nothing[kept], boxes[kept, 0])
    result = find_label_errors(
        match_detections(detections, GroundTruth(truth.class_names, 100, *columns)), limit=30
    )
    wanted = {("missing", int(image[k])) for k in dropped} | {("class", int(image[k])) for k in renamed}
    wanted |= {("box", int(image[k])) for k in moved}
    hits = sum((error.kind, error.image_number) in wanted for error in result)
    assert hits >= 25, hits
