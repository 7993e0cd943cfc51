"""Tables, files and plots of a search, from outcomes by hand."""

import csv
import json
import shlex

import cv2
import pytest

from tests.utils.tune.fake_trainer import BASE
from utils.tune.comparison import Comparison
from utils.tune.decision import decide
from utils.tune.outcome import Outcome, best_of, distinct, ranked, seconds_by_rung, values_before
from utils.tune.plot import common_rung, importances, plot_search
from utils.tune.report import command_of, trials_table, write_result, write_trials
from utils.tune.search_space import plan_space

RUNGS = (1, 4, 12)
SPACE = plan_space(("lr", "box_loss"), BASE, 12, True, False)


def outcome(number, state, lr, *values, box_loss=None, error=""):
    seconds = (10.0, 40.0, 120.0)[: len(values)]
    return Outcome(number, state, {"lr": lr, "box_loss": box_loss}, values, seconds, error)


OUTCOMES = [
    outcome(0, "complete", 0.006, 0.1, 0.2, 0.3),
    outcome(1, "stopped", 0.01, 0.05),
    outcome(2, "failed", 0.02, error="=diverged"),
    outcome(3, "complete", 0.002, 0.15, 0.25, 0.35, box_loss="giou"),
    outcome(5, "stopped", 0.003, 0.14, 0.19),
]


def test_trials_that_trained_longer_come_first():
    assert [x.number for x in ranked(OUTCOMES)] == [3, 0, 5, 1]
    assert best_of(OUTCOMES).number == 3 and best_of(OUTCOMES[1:3]) is None
    assert seconds_by_rung(OUTCOMES, 3) == [[10.0] * 4, [40.0] * 3, [120.0] * 2]
    assert values_before(OUTCOMES, {"lr": 0.003, "box_loss": None}).number == 5
    assert values_before(OUTCOMES, {"lr": 0.02, "box_loss": None}) is None, "it has trained nothing"


def test_repeated_settings_count_once():
    again = [x._replace(number=x.number + 6) for x in OUTCOMES]
    further = outcome(12, "complete", 0.01, 0.05, 0.3, 0.4)
    kept = distinct([*OUTCOMES, *again, further])
    assert [x.number for x in kept] == [0, 1, 2, 3, 5, 12]


def test_the_table():
    assert trials_table(OUTCOMES, SPACE, RUNGS).splitlines() == [
        "trial         mAP50-95  epochs     lr  box_loss",
        "4               0.3500      12  0.002      giou",
        "1 (defaults)    0.3000      12  0.006   default",
        "6               0.1900       4  0.003   default",
        "2               0.0500       1   0.01   default",
    ]
    many = [outcome(n, "complete", 0.001 * n, 0.1, 0.2, 0.4) for n in range(7, 17)]
    rows = trials_table(OUTCOMES[:1] + many, SPACE, RUNGS).splitlines()
    assert len(rows) == 7 and rows[-1].startswith("1 (defaults)"), "the defaults are always shown"


def test_trials_as_csv(tmp_path):
    write_trials(tmp_path / "trials.csv", OUTCOMES, SPACE, RUNGS)
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == [x.state for x in OUTCOMES]
    assert rows[3]["map50_95_12_epochs"] == "0.350000" and rows[3]["seconds"] == "170.0"
    assert rows[2]["error"] == "'=diverged", "no formula for a spreadsheet"


@pytest.mark.parametrize("gain", [0.1, 0.0])
def test_the_result(tmp_path, gain):
    defaults, found = [0.3, 0.32], [0.3 + gain, 0.32 + gain]
    comparison = Comparison([1, 2], defaults, found, decide(defaults, found))
    command = command_of(["--train", "my list.txt", "--lr", "0.002"])
    write_result(tmp_path / "result.json", OUTCOMES[3], comparison, command, ["test.txt"])
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["better"] == (gain > 0) and result["defaults"] == defaults
    assert result["settings"] == {"lr": 0.002, "box_loss": "giou"} and result["trial"] == 4
    assert shlex.split(result["command"])[2:] == ["--train", "my list.txt", "--lr", "0.002"]
    write_result(tmp_path / "result.json", OUTCOMES[0], None, command, [])
    assert json.loads((tmp_path / "result.json").read_text())["better"] is False


def trials_on_a_slope(count):
    """Trials whose value follows the learning rate alone."""
    losses = (None, "giou", "ciou")
    rates = [0.00075 * 32 ** (k / (count - 1)) for k in range(count)]
    return [
        outcome(k, "stopped", rate, 1 - 10 * rate, box_loss=losses[k % 3]) for k, rate in enumerate(rates)
    ]


def test_what_mattered():
    found = importances(trials_on_a_slope(20), SPACE, 0)
    assert found["lr"] > 0.8 and sum(found.values()) == pytest.approx(1)
    assert importances(trials_on_a_slope(3), SPACE, 0) == {}, "too few trials"
    same = [x._replace(values=(0.5,)) for x in trials_on_a_slope(20)]
    assert importances(same, SPACE, 0) == {}, "nothing mattered"


def test_values_after_the_same_epochs_are_compared():
    many = [outcome(k, "stopped", 0.001 * k, 0.1, 0.2) for k in range(10)]
    assert common_rung(many, 3) == 1
    assert common_rung(many[:9], 3) == 0


@pytest.mark.parametrize("outcomes", [OUTCOMES, OUTCOMES[:1], trials_on_a_slope(12)])
def test_the_plot(tmp_path, outcomes):
    plot_search(tmp_path / "importance.png", outcomes, SPACE, RUNGS)
    image = cv2.imread(str(tmp_path / "importance.png"))
    assert image.shape == (300, 1200, 3) and image.std() > 10
