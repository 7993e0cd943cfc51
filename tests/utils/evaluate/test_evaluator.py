import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.helpers import SHARED, needs_shared
from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.data.detections import Detections
from utils.data.index import ImageRecord, build_index
from utils.evaluate.evaluator import GroundTruth, evaluate
from utils.evaluate.ground_truth import FlatDetections, flatten_detections

FAR = (500, 500, 510, 510)
OTHER = (50, 0, 60, 10)


def test_voc_figures_by_hand():
    # Two images, three objects, one of them difficult. By score:
    #   .9 image 0, shifted by 1 (.818)        correct      precision 1    recall 1/2
    #   .8 image 0, the same object exactly    false        1/2            1/2
    #   .7 image 1, the difficult one          not counted
    #   .6 image 1, nowhere                    false        1/3            1/2
    #   .5 image 1, the other object           correct      2/4            1
    # Area: 1/2 * 1 + 1/2 * 1/2 = 3/4. Eleven points: 0 to .5 with 1, .6 to 1 with 1/2: (6 + 2.5) / 11.
    truth = objects([[UNIT], [UNIT, OTHER]], difficult=[[0], [1, 0]])
    first = found((UNIT, 0.8), (shifted(1), 0.9))
    metrics = evaluate([first, found((UNIT, 0.7), (FAR, 0.6), (OTHER, 0.5))], truth, score_threshold=0.6)
    assert metrics.voc_area.tolist() == pytest.approx([3 / 4])
    assert metrics.voc07.tolist() == pytest.approx([8.5 / 11])
    assert metrics.objects.tolist() == [2]
    # At .6: one correct, two false, one object missed.
    assert metrics.precision.tolist() == pytest.approx([1 / 3])
    assert metrics.recall.tolist() == [1 / 2]
    assert metrics.f1.tolist() == pytest.approx([2 / 5])


def test_the_least_overlap_is_taken_from_the_argument():
    truth, detections = objects([[UNIT]]), [found((shifted(1), 0.9))]  # .818
    assert evaluate(detections, truth, min_overlap=0.8).voc_area[0] == 1
    assert evaluate(detections, truth, min_overlap=0.85).voc_area[0] == 0
    low = [found((shifted(6), 0.9))]  # 40 / 160 = .25
    assert evaluate(low, truth, min_overlap=0.25).voc_area[0] == 1
    assert evaluate(low, truth, min_overlap=0.25).map50 == 0  # COCO's overlaps stay


def test_means_leave_out_classes_without_objects():
    truth = objects([[UNIT]], labels=[[1]], classes=3)
    metrics = evaluate([found((UNIT, 0.9, 1), (UNIT, 0.8, 2))], truth)
    assert metrics.map50 == 1
    assert metrics.map50_95 == 1
    assert np.isnan(metrics.voc_area[[0, 2]]).all()
    assert metrics.best_f1_confidence == 0.9


def test_an_index_and_its_ground_truth_give_the_same():
    record = ImageRecord("a.jpg", np.array([UNIT, OTHER], np.float32), np.array([0, 0], np.int32))
    index = build_index([record, ImageRecord("b.jpg")], ["class0"])
    detections = [found((UNIT, 0.9), (FAR, 0.8)), Detections.empty()]
    expected = evaluate(detections, objects([[UNIT, OTHER], []]))
    assert expected.map50 == pytest.approx(51 / 101)  # one of two objects: recalls 0 to .5
    assert evaluate(detections, index).to_json() == expected.to_json()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("truth", "detections"),
    [
        (objects([]), []),
        (objects([[]]), [Detections.empty()]),
        (objects([[UNIT]]), [Detections.empty()]),
        (objects([[]]), [found((UNIT, 0.9))]),
        (objects([[]], classes=0), [Detections.empty()]),
        (objects([[UNIT]], difficult=[[1]]), [found((UNIT, 0.9))]),
        (objects([[(5, 5, 5, 5)]]), [found(((5, 5, 5, 5), 0.9))]),
    ],
)
def test_nothing_to_count_is_no_trouble(truth, detections):
    metrics = evaluate(detections, truth)
    assert np.isnan(metrics.map50) or metrics.map50 == 0
    assert metrics.to_json()["voc_area"]["map"] in (None, 0)
    assert metrics.table()


def test_the_order_of_detections_within_an_image_does_not_matter():
    rng = np.random.default_rng(3)
    truth, detections = random_case(rng)
    distinct = [dataclasses.replace(d, scores=rng.permutation(len(d)) / 1000 + 0.1) for d in detections]
    orders = [rng.permutation(len(d)) for d in distinct]
    shuffled = [
        Detections(d.boxes[order], d.scores[order], d.labels[order])
        for d, order in zip(distinct, orders, strict=True)
    ]
    coco = evaluate(distinct, truth).coco
    assert coco["map50"] > 0
    # Equal scores on different images keep the order of the images, whatever the order within them.
    np.testing.assert_equal(evaluate(shuffled, truth).coco, coco)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (([], objects([[UNIT]])), "detections for 0 images, but ground truth for 1"),
        (([found((UNIT, float("nan")))], objects([[UNIT]])), "not a finite number"),
        (([found((UNIT, 0.5, 1))], objects([[UNIT]])), "outside the 1 classes"),
        (([Detections.empty()], objects([[UNIT]], labels=[[1]])), "ground truth has a label outside"),
    ],
)
def test_bad_input_is_one_sentence(arguments, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        evaluate(*arguments)
    assert "\n" not in str(caught.value)


def test_flat_detections_give_the_same_in_any_order_of_images():
    truth, detections = random_case(np.random.default_rng(5))
    flat = flatten_detections(detections)
    order = np.argsort(-flat.image_numbers, kind="stable")
    shuffled = FlatDetections(*(column[order] for column in flat))
    assert evaluate(shuffled, truth).to_json() == evaluate(flat, truth).to_json()
    assert evaluate(flat, truth).to_json() == evaluate(detections, truth).to_json()
    with pytest.raises(ValueError, match="is on none of the"):
        evaluate(flat._replace(image_numbers=flat.image_numbers + truth.num_images), truth)


@pytest.mark.parametrize("overlap", [0, -1, 1.5, float("nan")])
def test_an_overlap_that_cannot_be_is_refused(overlap):
    with pytest.raises(ValueError, match="min_overlap must be above 0"):
        evaluate([Detections.empty()], objects([[UNIT]]), min_overlap=overlap)


@pytest.mark.parametrize("seed", range(100))
def test_voc_figures_are_those_of_a_slow_reading_of_the_rules(seed):
    truth, detections = random_case(np.random.default_rng(seed))
    metrics = evaluate(detections, truth)
    for label in range(len(truth.class_names)):
        area, eleven = slow_voc(truth, detections, label)
        np.testing.assert_allclose(metrics.voc_area[label], area, atol=1e-12)
        np.testing.assert_allclose(metrics.voc07[label], eleven, atol=1e-12)


def slow_voc(truth: GroundTruth, detections: list[Detections], label: int) -> tuple[float, float]:
    """Average precision by area and by eleven points: the devkit's rules, read one step at a time."""
    ranked = []
    for image, here in enumerate(detections):
        for row in range(len(here)):
            if here.labels[row] == label:
                ranked.append((-here.scores[row], len(ranked), image, here.boxes[row]))
    wanted = 0
    for row in range(len(truth.labels)):
        wanted += truth.labels[row] == label and not truth.difficult[row] and not truth.crowd[row]
    if wanted == 0:
        return np.nan, np.nan
    taken, points, right, wrong = set(), [], 0, 0
    for _, _, image, box in sorted(ranked, key=lambda item: item[:2]):
        best, best_row = -1.0, -1
        for row in range(len(truth.labels)):
            if truth.image_numbers[row] == image and truth.labels[row] == label:
                overlap = slow_overlap(box, truth.boxes[row])
                if overlap > best:
                    best, best_row = overlap, row
        if best < 0.5:
            wrong += 1
        elif truth.difficult[best_row] or truth.crowd[best_row]:
            continue
        elif best_row in taken:
            wrong += 1
        else:
            taken.add(best_row)
            right += 1
        points.append((right / wanted, right / (right + wrong)))
    eleven = 0.0
    for recall in np.linspace(0, 1, 11):
        eleven += max((precision for reached, precision in points if reached >= recall), default=0) / 11
    area, before = 0.0, 0.0
    for number, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[number:])
        before = recall
    return area, eleven


def slow_overlap(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


@needs_shared
def test_known_figures_of_a_hundred_voc_images():
    truth, detections = voc100()
    assert truth.difficult.sum() == 38
    counted = dataclasses.replace(truth, difficult=np.zeros_like(truth.difficult))
    metrics = evaluate(detections, counted)
    assert metrics.voc_area.mean() == pytest.approx(0.6109, abs=5e-5)
    assert metrics.voc07.mean() == pytest.approx(0.5990, abs=5e-5)
    assert evaluate(detections, truth).voc_area.mean() == pytest.approx(0.6139, abs=5e-5)


def voc100() -> tuple[GroundTruth, list[Detections]]:
    folder = SHARED / "data" / "voc100"
    names = (folder / "voc.names").read_text().split()
    rows, detections = [], []
    files = sorted((folder / "gts" / "pascalvoc_format").glob("*.xml"))
    for image, file in enumerate(files):
        for item in ElementTree.parse(file).getroot().iter("object"):
            box = [float(item.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
            rows.append(
                [image, *box, names.index(item.findtext("name")), int(item.findtext("difficult") or 0)]
            )
        results = folder / "dets" / "abs_xyx2y2" / f"{file.stem}.txt"
        lines = results.read_text().splitlines() if results.is_file() else []
        values = np.array([line.split() for line in lines], np.float64).reshape(-1, 6)
        detections.append(Detections(values[:, 2:], values[:, 1], values[:, 0].astype(np.int64)))
    table = np.array(rows)
    boxes, nothing = table[:, 1:5], np.zeros(len(table), bool)
    truth = GroundTruth(
        tuple(names),
        len(files),
        table[:, 0].astype(np.int64),
        boxes,
        table[:, 5].astype(np.int64),
        table[:, 6].astype(bool),
        nothing,
        (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
    )
    return truth, detections
