"""The comparison with a trainer that trains nothing."""

import pytest

from tests.utils.tune.fake_trainer import FakeTrainer, plan_of
from utils.tune.comparison import compare, optimism
from utils.tune.outcome import Outcome
from utils.tune.study import open_study

BEST = Outcome(4, "complete", {"lr": 0.003, "mosaic": 0.5}, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


def compared(folder, trainer, best=BEST, seeds=2):
    plan = plan_of(seeds=seeds)
    return compare(open_study(folder, plan.space), best, plan, trainer, trainer.budget)


def test_other_seeds_than_the_search_has(tmp_path, capsys):
    trainer = FakeTrainer(tmp_path)
    done = compared(tmp_path, trainer)
    assert [(name, seed) for name, _, seed in trainer.calls] == [
        ("defaults_seed_1", 1),
        ("trial_5_seed_1", 1),
        ("defaults_seed_2", 2),
        ("trial_5_seed_2", 2),
    ]
    # .44 and .5 times 9 / 12, and .001 for each seed.
    assert done.defaults == pytest.approx([0.331, 0.332]) and done.found == pytest.approx([0.376, 0.377])
    assert done.better
    assert done.text().splitlines()[:3] == [
        "mAP50-95  seed 1  seed 2  mean ± standard deviation",
        "defaults  0.3310  0.3320            0.3315 ± 0.0007",
        "found     0.3760  0.3770            0.3765 ± 0.0007",
    ]
    assert "seed 2: trial 5 0.3770 | 53.7 min left" in capsys.readouterr().out  # 4 times 95 seconds used


def test_what_was_measured_is_not_measured_again(tmp_path):
    trainer = FakeTrainer(tmp_path)
    trainer.kill_at = 3
    with pytest.raises(KeyboardInterrupt):
        compared(tmp_path, trainer)
    done = compared(tmp_path, trainer)
    assert len(trainer.calls) == 5
    assert compared(tmp_path, trainer) == done and len(trainer.calls) == 5
    compared(tmp_path, trainer, seeds=3)  # one seed more
    compared(tmp_path, trainer, BEST._replace(number=7))  # another best: the defaults are known
    assert len(trainer.calls) == 5 + 2 + 2


def test_settings_that_fail_with_another_seed_are_not_better(tmp_path):
    trainer = FakeTrainer(tmp_path)
    trainer.fails = lambda params: "the training has diverged" if params["lr"] == 0.003 else ""
    done = compared(tmp_path, trainer)
    assert not done.better
    assert done.text() == (
        "keep the defaults: a training with the settings found failed: the training has diverged"
    )


def test_failing_defaults_are_an_error(tmp_path):
    trainer = FakeTrainer(tmp_path)
    trainer.fails = lambda params: "no disk"
    with pytest.raises(ValueError, match="training with the defaults and seed 1 failed: no disk"):
        compared(tmp_path, trainer)


def test_without_test_data_the_gain_is_called_optimistic():
    assert "optimistic" in optimism(()) and "validation data" in optimism(())
    assert "optimistic" not in optimism(("test.txt",))
