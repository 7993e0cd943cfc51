import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.analysis.per_image import ImageCounts, count_per_image, write_image_counts
from utils.data.detections import Detections
from utils.evaluate.evaluator import evaluate, match_detections

OTHER = (50, 0, 60, 10)


@pytest.mark.filterwarnings("error")
def test_by_hand():
    # One found, one doubled, one missed; then a difficult one found; then nothing at all; then a wrong one.
    truth = objects([[UNIT, OTHER], [UNIT], [], []], difficult=[[0, 0], [1], [], []])
    detections = [
        found((UNIT, 0.9), (shifted(1), 0.6), (OTHER, 0.4)),
        found((UNIT, 0.9)),
        Detections.empty(),
        found((UNIT, 0.5)),
    ]
    figures = count_per_image(match_detections(detections, truth), 0.5)
    assert figures.correct.tolist() == [1, 0, 0, 0]
    assert figures.wrong.tolist() == [1, 0, 0, 1]
    assert figures.missed.tolist() == [1, 0, 0, 0]
    np.testing.assert_array_equal(figures.f1, [0.5, np.nan, np.nan, 0])


@pytest.mark.parametrize("seed", range(10))
def test_sums_give_the_recall_of_all(seed):
    truth, detections = random_case(np.random.default_rng(seed))
    figures = count_per_image(match_detections(detections, truth), 0.5)
    metrics = evaluate(detections, truth, score_threshold=0.5)
    found_by_class = np.nan_to_num(metrics.recall) * metrics.objects
    assert figures.correct.sum() == pytest.approx(found_by_class.sum())
    assert (figures.correct + figures.missed).sum() == metrics.objects.sum()


def test_a_row_for_each_image(tmp_path):
    figures = ImageCounts(*(np.array(column) for column in ([1, 0], [2, 0], [0, 0], [0.5, np.nan])))
    write_image_counts(tmp_path / "images.csv", figures, ["a, b.jpg", "树.png"])
    expected = "image,correct,wrong,missed,f1\n" + '"a, b.jpg",1,2,0,0.5\n' + "树.png,0,0,0,\n"
    assert (tmp_path / "images.csv").read_text("utf-8") == expected
