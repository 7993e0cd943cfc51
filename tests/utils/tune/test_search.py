"""The search with a trainer that trains nothing."""

import pytest

from tests.utils.tune.fake_trainer import FakeTrainer, plan_of, value_of
from utils.tune.budget import reserve
from utils.tune.outcome import best_of, defaults_of, seconds_by_rung
from utils.tune.search import MAX_FAILED, line, search
from utils.tune.study import open_study


def searched(tmp_path, minutes=60.0, plan=None, trainer=None):
    plan = plan or plan_of()
    trainer = trainer or FakeTrainer(tmp_path, minutes)
    return search(open_study(tmp_path, plan.space), plan, trainer, trainer.budget), trainer


def test_it_finds_better_settings_and_stops_bad_ones_early(tmp_path, capsys):
    plan = plan_of()
    found, trainer = searched(tmp_path, plan=plan)
    best = best_of(found)
    assert value_of(best.params) > value_of(defaults_of(plan.space)) + 0.02
    counts = [sum(len(x.values) > rung for x in found) for rung in range(3)]
    assert counts[0] > 2 * counts[1] > 0 and counts[1] > counts[2], counts
    assert {seed for _, _, seed in trainer.calls} == {0}
    assert len({name for name, _, _ in trainer.calls}) == len(trainer.calls), "folders of trainings collide"
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3 + len(found) + 1
    assert shown[1] == "the defaults: 35 s for 3 epochs, mAP50-95 0.2200 | 59.2 min left"
    assert shown[3] == (
        "trial 1: defaults | mAP50-95 0.1100 after 1 epoch, 0.2200 after 3 epochs, 0.3300 after 9 epochs | "
        "57.6 min left"  # 60 minutes less 145 seconds
    )


def test_the_comparison_has_its_time(tmp_path, capsys):
    for minutes in (13, 20, 33):
        folder = tmp_path / str(minutes)
        folder.mkdir()
        found, trainer = searched(folder, minutes)
        kept = reserve(seconds_by_rung(found, 3), 2)
        assert kept == pytest.approx(1.1 * 4 * (95 + 15))
        assert kept <= trainer.budget.left < kept + 15 + 35 + 95
        assert "the search ends: the comparison takes about 8.1 minutes" in capsys.readouterr().out


def test_too_small_a_budget_is_told_before_the_defaults_are_done(tmp_path):
    # 145 seconds for the defaults, as many for a trial, 484 for the comparison: 774 seconds, 12.9 minutes.
    with pytest.raises(ValueError, match=r"--minutes 12 is too short.*at least 13 minutes") as error:
        searched(tmp_path, minutes=12)
    assert f"python tune.py --resume {tmp_path} --minutes 13" in str(error.value)
    trainer = FakeTrainer(tmp_path, minutes=13)
    found, _ = searched(tmp_path, trainer=trainer)
    assert len(found) == 2, "with these minutes it goes on, to one trial beside the defaults"
    assert [epochs for _, epochs, _ in trainer.calls[:1]] == [9], "of the defaults, only the last was left"


def test_a_failed_trial_is_not_the_end(tmp_path, capsys):
    trainer = FakeTrainer(tmp_path)
    trainer.fails = lambda params: "the training has diverged" if params["lr"] > 0.008 else ""
    found, _ = searched(tmp_path, trainer=trainer)
    failed = [x for x in found if x.state == "failed"]
    assert failed and len(found) > len(failed) + 10, "Optuna learns from it"
    assert {x.error for x in failed} == {"the training has diverged"}
    assert "failed: the training has diverged | " in capsys.readouterr().out


def test_failing_defaults_are_the_end(tmp_path):
    trainer = FakeTrainer(tmp_path)
    trainer.fails = lambda params: "no such file"
    with pytest.raises(ValueError, match="training with the defaults failed: no such file"):
        searched(tmp_path, trainer=trainer)
    trainer.fails = lambda params: ""
    found, _ = searched(tmp_path, trainer=trainer)  # once that is mended, they are tried again
    assert [x.state for x in found[:2]] == ["failed", "complete"]


def test_when_everything_fails_it_ends(tmp_path):
    trainer = FakeTrainer(tmp_path)
    trainer.fails = lambda params: "the disk is full" if len(trainer.calls) > 3 else ""
    with pytest.raises(
        ValueError, match=f"{MAX_FAILED} trials in a row failed, the last one: the disk is full"
    ):
        searched(tmp_path, trainer=trainer)
    assert len(trainer.calls) == 3 + MAX_FAILED


def test_few_choices_end_when_all_are_tried(tmp_path, capsys):
    class Constant(FakeTrainer):
        def train(self, params, epochs, seed, name):
            return super().train({"lr": 0.004}, epochs, seed, name)

    found, trainer = searched(tmp_path, plan=plan_of(["batch_size"]), trainer=Constant(tmp_path, 500))
    assert sorted(x.params["batch_size"] for x in found) == [4, 8, 16]
    assert len(trainer.calls) <= 9, "the same settings were trained again"
    output = capsys.readouterr().out
    assert "the search ends: all settings were tried" in output and output.count("trial ") == 3


def test_the_line_of_a_trial(tmp_path):
    plan = plan_of()
    found, _ = searched(tmp_path, plan=plan)
    stopped = next(x for x in found if x.state == "stopped" and len(x.values) == 1)
    text = line(stopped._replace(number=6, params={"lr": 0.01234567, "mosaic": 0.5}, values=(0.125,)), plan)
    assert text == "trial 7: lr 0.01235, mosaic 0.5 | mAP50-95 0.1250 after 1 epoch, stopped"
    failed = stopped._replace(state="failed", values=(), error="no memory\nat all")
    assert line(failed, plan).endswith(" | failed: no memory")
