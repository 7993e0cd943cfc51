"""The settings that may change when a run is resumed."""

from pathlib import Path

import pytest

from train import Config
from utils.run.resume import NOT_OF_THE_PLAN, WHY_NOT, plan_changes
from utils.system.settings import flat_values, with_values

FOLDER = Path("logs") / "run"


def changes(**after):
    return plan_changes(flat_values(Config()), flat_values(with_values(Config(), after)), FOLDER)


def test_nothing_changed():
    assert changes() == []


def test_what_changes_is_named():
    assert changes(epochs=20, batch_size=4, scale=(0.9, 1.1)) == [
        "--epochs automatic -> 20",
        "--batch-size 8 -> 4",
        "--scale 0.5 1.5 -> 0.9 1.1",
    ]


def test_where_a_run_lies_is_no_change_of_its_plan():
    assert changes(resume="last", name="x", output=Path("elsewhere"), preview=True) == []


@pytest.mark.parametrize("name", [name for names in WHY_NOT.values() for name in names])
def test_another_network_or_measure_is_another_run(name):
    with pytest.raises(
        ValueError, match=rf"^--{name.replace('_', '-')} cannot change from .* within a run: "
    ) as error:
        changes(**{name: "other"})
    assert f"Omit the flag, or start a new run with --weights {FOLDER / 'last.pt'}" in str(error.value)


def test_settings_that_are_new_since_are_no_change():
    before = flat_values(Config())
    del before["mosaic"]
    assert plan_changes(before, flat_values(with_values(Config(), {"mosaic": 0.1})), FOLDER) == []


def test_the_names_are_those_of_settings():
    assert flat_values(Config()).keys() >= {
        *NOT_OF_THE_PLAN,
        *(name for group in WHY_NOT.values() for name in group),
    }
