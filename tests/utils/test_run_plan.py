"""A run as phases."""

from dataclasses import replace

import pytest

from utils.augment import Augmentation
from utils.run_plan import PlanSettings, plan_run

SETTINGS = PlanSettings(
    weights="none",
    epochs=None,
    freeze_epochs=None,
    freeze=("backbone",),
    freeze_batch_size=16,
    batch_size=8,
    clean_share=0.3,
    optimizer="sgd",
    lr=0.08,
    layer_decay=1.0,
)


def test_from_scratch_nothing_is_frozen_and_epochs_follow_the_pictures(capsys):
    phases = plan_run(SETTINGS, Augmentation(), 200)  # 12,000 shown in all
    assert [(phase.name, phase.epochs) for phase in phases] == [("unfrozen", 42), ("unfrozen, clean", 18)]
    said = capsys.readouterr().out
    assert "--epochs is not set: 60 for 200 images" in said
    assert "learning rate: 0.08 for a batch of 64, scaled by each phase's batch\n" in said


def test_from_weights_a_fifth_is_frozen(capsys):
    settings = replace(SETTINGS, weights="a.pt", epochs=10, layer_decay=0.8)
    phases = plan_run(settings, Augmentation(), 200)
    assert [(phase.name, phase.epochs) for phase in phases] == [
        ("frozen", 2),
        ("unfrozen", 5),
        ("unfrozen, clean", 3),
    ]
    assert phases[0].frozen == ("backbone",) and phases[1].frozen == ()
    assert [phase.batch_size for phase in phases] == [16, 8, 8]
    assert phases[0].learning_rate == pytest.approx(0.02) and phases[1].learning_rate == pytest.approx(0.01)
    assert "and by 0.8 for each stage from the head" in capsys.readouterr().out


def test_a_batch_is_no_larger_than_the_data():
    phases = plan_run(replace(SETTINGS, epochs=4, freeze_epochs=2), Augmentation(), 5)
    assert {phase.batch_size for phase in phases} == {5}
    assert phases[0].learning_rate == pytest.approx(0.08 * 5 / 64)
