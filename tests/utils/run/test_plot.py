"""The learning curves of a run."""

import pytest
from PIL import Image

from utils.run.metrics_file import append_metrics
from utils.run.plot import plot_run


def write(folder, rows):
    for epoch, (loss, val, map50) in enumerate(rows, 1):
        row = {"epoch": epoch, "lr": 0.01 / epoch, "loss": loss, "loss_box": loss / 2, "val_loss_box": val}
        append_metrics(folder, row | {"map50": map50, "map50_95": map50 and map50 / 2})
    plot_run(folder)
    with Image.open(folder / "curves.png") as image:
        assert image.format == "PNG"
        return image.convert("RGB").copy()


@pytest.mark.parametrize(
    "rows",
    [
        [(3.0, 2.0, 0.1)],
        [(3.0, "", ""), (2.0, 2.5, 0.2), (1.0, "", ""), (0.5, 1.5, 0.4)],
        [(3.0, "", "")],
        [(3.0, float("nan"), float("nan")), (2.0, float("inf"), 0.1)],
    ],
    ids=["one epoch", "evaluated now and then", "never evaluated", "non-finite"],
)
@pytest.mark.filterwarnings("error")
def test_whatever_the_figures_an_image_comes(tmp_path, rows):
    assert write(tmp_path, rows).size == (1200, 400)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "metrics.csv"]


def test_a_change_of_the_validation_data_is_a_line(tmp_path):
    panels = []
    for name, numbers in (("same", [1, 1]), ("changed", [1, 2])):
        folder = tmp_path / name
        folder.mkdir()
        for epoch, number in enumerate(numbers, 1):
            row = {"epoch": epoch, "lr": 0.1, "loss": 1.0, "map50": 0.5, "map50_95": 0.4, "val_data": number}
            append_metrics(folder, row)
        plot_run(folder)
        with Image.open(folder / "curves.png") as image:
            panels.append([image.convert("RGB").crop((left, 0, left + 400, 400)) for left in (0, 400, 800)])
    assert [one.tobytes() == two.tobytes() for one, two in zip(*panels, strict=True)] == [True, False, True]


def test_the_image_follows_the_figures(tmp_path):
    first = write(tmp_path, [(3.0, 2.0, 0.1), (2.0, 1.5, 0.3)])
    second = write(tmp_path, [(1.0, 1.2, 0.9)])  # a third epoch
    # Each of the three panels has changed.
    for left in (0, 400, 800):
        panel = (left, 0, left + 400, 400)
        assert first.crop(panel).tobytes() != second.crop(panel).tobytes()
