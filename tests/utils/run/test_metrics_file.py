"""metrics.csv comes back as it was written, and what is no such table is refused."""

import csv
import math
from functools import partial

import pytest

from utils.run.metrics_file import append_metrics, read_metrics, truncate_metrics


def test_metrics_come_back_as_they_were_written(tmp_path):
    append_metrics(tmp_path, {"epoch": 1, "lr": 0.1, "map50": ""})
    append_metrics(tmp_path, {"epoch": 2, "lr": 1 / 3, "map50": 0.123456789012345678})
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "lr", "map50"] and len(rows) == 3
    found = read_metrics(tmp_path)
    assert found["epoch"] == [1, 2] and found["lr"] == [0.1, 1 / 3]
    assert math.isnan(found["map50"][0]) and found["map50"][1] == 0.123456789012345678


@pytest.mark.parametrize(("epochs", "left"), [(0, []), (2, [1, 2]), (3, [1, 2, 3]), (9, [1, 2, 3])])
def test_a_resumed_run_drops_later_rows(tmp_path, epochs, left):
    for epoch in (1, 2, 3):
        append_metrics(tmp_path, {"epoch": epoch, "lr": 0.1})
    truncate_metrics(tmp_path, epochs)
    assert read_metrics(tmp_path).get("epoch", []) == left
    append_metrics(tmp_path, {"epoch": 7, "lr": 0.1})
    assert read_metrics(tmp_path)["epoch"] == [*left, 7]


def test_truncating_what_is_not_there(tmp_path):
    truncate_metrics(tmp_path, 3)
    assert not list(tmp_path.iterdir())


def test_a_link_to_nothing_is_not_followed(tmp_path):
    (tmp_path / "metrics.csv").symlink_to(tmp_path / "elsewhere.csv")
    truncate_metrics(tmp_path, 3)
    append_metrics(tmp_path, {"epoch": 4})
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_columns_that_curves_need(tmp_path):
    """An older version may not have written all of them."""
    append_metrics(tmp_path, {"epoch": 1, "lr": 0.1})
    assert math.isnan(read_metrics(tmp_path)["map50_95"][0])


def test_a_line_that_a_full_disk_cut_off(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,lr,loss\n1,2,3\n2,", encoding="utf-8")
    assert read_metrics(tmp_path)["epoch"] == [1, 2] and math.isnan(read_metrics(tmp_path)["loss"][1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "first line"),
        (b"epoch,epoch\n1,2\n", "first line"),
        (b"epoch,lr\n1,x\n", "line 2: 'x' is not a number"),
        (b"epoch,lr\n1,2\n2,3,4\n", "line 3 has 3 values for 2 columns"),
        (b"epoch,lr\n1,\xff\n", "byte 12 is not UTF-8 text"),
        (b"epoch,lr\n" + b"1" * 200_000, "field limit"),
        (b"\0\0\0", "first line"),
    ],
    ids=range(7),
)
def test_what_is_no_such_table(tmp_path, content, message):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    for use in (read_metrics, partial(append_metrics, row={"epoch": 1}), partial(truncate_metrics, epochs=1)):
        with pytest.raises(ValueError, match=rf"metrics\.csv cannot be read .*{message}.*move it away"):
            use(tmp_path)
        assert path.read_bytes() == content


def test_an_empty_file_is_begun_anew(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"")
    append_metrics(tmp_path, {"epoch": 1, "lr": 0.1})
    assert read_metrics(tmp_path)["epoch"] == [1]


def test_names_that_a_full_disk_cut_off_do_not_stay(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,lr,loss,los")
    truncate_metrics(tmp_path, 0)
    append_metrics(tmp_path, {"epoch": 1, "lr": 0.1, "map50": 0.5})
    assert read_metrics(tmp_path)["map50"] == [0.5]
