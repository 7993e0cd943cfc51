import numpy as np
import pytest
from matplotlib.image import imread

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects
from utils.evaluate.evaluator import evaluate
from utils.report import curves as curves_module
from utils.report.curves import (
    MAX_CLASSES_NAMED,
    draw_curves,
    drawable,
    legend_name,
    mean_curve,
    write_curves,
)

X = np.array([0, 0.5, 1])


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_mean_is_over_what_is_defined():
    values = np.array([[1, 0.5, np.nan], [0, np.nan, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(mean_curve(values), [0.5, 0.5, np.nan])


def test_one_line_a_class_with_objects_and_one_for_the_mean():
    values = np.array([[1, 0.5, 0], [np.nan] * 3, [0, 0.5, 0]])
    figure = draw_curves(values, ["cat", "dog", "_bird"], X, "confidence", "F1")
    assert [text.strip() for text in legend(figure)] == ["cat", "_bird", "mean of 2 classes"]
    lines = figure.axes[0].get_lines()
    assert lines[-1].get_ydata().tolist() == [0.5, 0.5, 0]
    assert lines[-1].get_linewidth() > lines[0].get_linewidth()


def test_many_classes_are_drawn_but_not_named():
    number = MAX_CLASSES_NAMED + 1
    figure = draw_curves(np.full((number, 3), 0.5), ["x"] * number, X, "confidence", "F1")
    assert legend(figure) == [f"mean of {number} classes"]
    assert len(figure.axes[0].get_lines()) == number + 1


def test_names_that_cannot_be_shown(monkeypatch):
    monkeypatch.setattr(curves_module, "CJK_FONTS", ())
    assert drawable("naïve cat")
    assert not drawable("狗")
    assert legend_name("狗", 3) == "class 3"
    assert legend_name("a$b$", 3) == r"a\$b\$"


@pytest.mark.filterwarnings("error")
def test_images_are_written(tmp_path):
    metrics = evaluate([found((UNIT, 0.9), ((90, 0, 99, 9), 0.3))], objects([[UNIT]]))
    paths = write_curves(metrics.curves, ["狗"], tmp_path / "new")
    assert [path.name for path in paths] == ["precision.png", "recall.png", "f1.png", "pr.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    for path in paths:
        assert imread(path).shape == (600, 900, 4)


@pytest.mark.filterwarnings("error")
def test_nothing_to_draw(tmp_path):
    metrics = evaluate([found()], objects([[]]))
    write_curves(metrics.curves, ["cat"], tmp_path)
    assert (tmp_path / "pr.png").stat().st_size > 0
