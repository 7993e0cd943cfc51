"""The search space, and the flags of train.py that its values become."""

import importlib
import shlex

import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st

from utils.system.settings import flat_values
from utils.tune.base_settings import BaseSettings, parse_flags
from utils.tune.outcome import defaults_of
from utils.tune.search_space import (
    SPACE,
    checked_params,
    flags_of,
    plan_space,
    settings_text,
    shortened,
)


def planned(names=(), flags="", epochs=12, from_weights=True, fixed_loss=False):
    return {x.name: x for x in plan_space(names, parse_flags(flags), epochs, from_weights, fixed_loss)}


def test_the_names_are_flags_of_train():
    assert SPACE.keys() <= flat_values(importlib.import_module("train").Config()).keys()


def test_bounds_follow_the_defaults_of_the_optimizer():
    lr = planned()["lr"]
    assert (lr.low, lr.high, lr.default, lr.log) == (0.012 / 8, 0.012 * 4, 0.012, True)
    assert planned(flags="--optimizer sgd")["lr"].default == 0.08
    assert planned(flags="--lr 0.5")["lr"].low == 0.5 / 8
    assert planned(flags="--scale 0.1 0.9")["scale"][1:3] == (0.1, 0.9)  # widened, and below the largest zoom
    assert planned(flags="--batch-size 6")["batch_size"].choices == (4, 8, 16, 6)
    assert planned(flags="--freeze-epochs 9")["freeze_epochs"].high == 0.75


def test_what_does_not_apply_is_left_out_or_refused_if_named():
    assert planned().keys() == SPACE.keys()
    assert SPACE.keys() - planned(from_weights=False).keys() == {"freeze_epochs"}
    assert SPACE.keys() - planned(flags="--batch-size auto").keys() == {"batch_size"}
    assert SPACE.keys() - planned(flags="--weight-decay 0").keys() == {"weight_decay"}
    assert SPACE.keys() - planned(fixed_loss=True).keys() == {"box_loss"}
    with pytest.raises(ValueError, match="--search freeze_epochs: nothing is frozen without --weights"):
        planned(["freeze-epochs"], from_weights=False)
    with pytest.raises(ValueError, match="--search momentum: choose from lr, weight_decay"):
        planned(["lr", "momentum"])


def test_a_subset_is_in_the_order_of_the_table():
    assert [*planned(["clean-share", "lr"])] == ["lr", "clean_share"]


@pytest.mark.parametrize("epochs", [1, 4, 12])
@pytest.mark.parametrize("flags", ["", "--optimizer sgd --lr 0.03 --mosaic 0.25"])
def test_the_defaults_as_flags_change_nothing(flags, epochs):
    base = parse_flags(flags)
    written = flags_of(defaults_of(plan_space((), base, 12, True, False)), base, epochs)
    train = importlib.import_module("train").Config
    given_alone = tyro.cli(train, args=shlex.split(flags))
    with_all = flat_values(tyro.cli(train, args=[*shlex.split(flags), *written]))
    changed = {name: value for name, value in flat_values(given_alone).items() if with_all[name] != value}
    # These are None by default, and then what the written flags say.
    assert changed.keys() <= {"lr", "weight_decay", "freeze_epochs"} and not any(changed.values())
    assert with_all["lr"] == base.optimization.peak_lr
    assert with_all["freeze_epochs"] == {1: 0, 4: 1, 12: 2}[epochs]  # a fifth: .2, .8 and 2.4


def test_values_become_flags():
    base = parse_flags("--scale 0.5 1.2")
    params = {"lr": 0.00123456, "freeze_epochs": 0.3, "scale": 0.75, "box_loss": None, "batch_size": 4}
    text = "--lr 0.001235 --freeze-epochs 4 --scale 0.75 1.2 --batch-size 4"  # .3 of 12 epochs is 3.6
    assert shlex.join(flags_of(params, base, 12)) == text
    assert settings_text(params).endswith("scale 0.75, box_loss default, batch_size 4")


def test_a_short_training_keeps_the_shape_of_the_schedule():
    base = parse_flags("--warmup-epochs 3 --freeze-epochs 6")
    assert shortened({}, base, 12, 12) == []
    assert shortened({}, base, 4, 12) == ["--warmup-epochs", "1", "--freeze-epochs", "2"]
    assert shortened({"freeze_epochs": 0.1}, base, 4, 12) == ["--warmup-epochs", "1"]
    assert shortened({}, BaseSettings(), 6, 12) == ["--warmup-epochs", "0.5"]


@given(
    st.dictionaries(
        st.sampled_from(sorted(SPACE)), st.one_of(st.floats(), st.text(), st.none(), st.booleans())
    )
)
def test_values_of_a_file_are_of_the_space_or_refused(params):
    space = plan_space((), BaseSettings(), 12, True, False)
    good = defaults_of(space)
    assert checked_params(good, space) == good
    try:
        checked = checked_params(good | params, space)
    except ValueError:
        return
    assert all(
        any(checked[x.name] is y or checked[x.name] == y for y in x.choices)
        if x.choices
        else x.low <= checked[x.name] <= x.high
        for x in space
    )


@pytest.mark.parametrize(
    "change",
    [{"box_loss": "x --output /"}, {"lr": 7}, {"lr": float("nan")}, {"batch_size": 4.0}, {"mosaic": True}],
)
def test_other_values_are_refused(change):
    space = plan_space((), BaseSettings(), 12, True, False)
    with pytest.raises(ValueError, match="outside the search space"):
        checked_params(defaults_of(space) | change, space)
    with pytest.raises(ValueError, match="outside the search space"):
        checked_params({}, space)
