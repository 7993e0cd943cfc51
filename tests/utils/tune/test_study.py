"""The study in its folder: it outlives the program, and is checked when read."""

import json

import pytest

from tests.utils.tune.fake_trainer import FakeTrainer, plan_of
from utils.tune.outcome import defaults_of
from utils.tune.search import run_trial, search
from utils.tune.study import JOURNAL, keep_measured, measured_in, open_study, outcomes_of


def test_the_defaults_come_first(tmp_path):
    plan = plan_of()
    study = open_study(tmp_path, plan.space)
    trainer = FakeTrainer(tmp_path)
    first = run_trial(study, plan, trainer, trainer.budget)
    assert first.params == {"lr": 0.006, "mosaic": 1.0} == defaults_of(plan.space)
    assert [epochs for _, epochs, _ in trainer.calls] == [1, 3, 9]
    # .5 - 20 * .003 = .44, times 1 / 4, 3 / 6 and 9 / 12.
    assert first.values == pytest.approx((0.11, 0.22, 0.33)) and first.seconds == (15, 35, 95)
    assert first.state == "complete"


@pytest.mark.parametrize("kill_at", [1, 2, 3, 4, 7])
def test_a_search_that_is_killed_goes_on_where_it_was(tmp_path, kill_at):
    """Whichever training it is killed in, all others are kept, and its settings are tried again."""
    plan, trainer = plan_of(), FakeTrainer(tmp_path, minutes=20)
    trainer.kill_at = kill_at
    study = open_study(tmp_path, plan.space)
    with pytest.raises(KeyboardInterrupt):
        search(study, plan, trainer, trainer.budget)
    interrupted = study.trials[-1].params
    done = len(trainer.calls) - 1
    trainer.restart(minutes=20)
    found = search(open_study(tmp_path, plan.space), plan, trainer, trainer.budget)
    (again,) = [x for x in found if x.params == interrupted]
    assert again.state == "complete" if interrupted == defaults_of(plan.space) else again.values
    assert trainer.calls[done] == trainer.calls[done + 1], "the training that was killed comes next"
    values = [x.values[0] for x in found]
    rungs = [trial.system_attrs["completed_rung_0"] for trial in study.trials]
    assert rungs == values, "Optuna counts each trial once"
    trained = [(x.params["lr"], epochs) for x in found for epochs in plan.rungs[: len(x.values)]]
    done = len(trainer.calls) - 1  # without the training that was killed
    assert len({*trained}) == done, "a training was done twice"


def test_a_search_that_goes_on_draws_other_settings(tmp_path):
    plan, trainer = plan_of(), FakeTrainer(tmp_path, minutes=15)
    first = search(open_study(tmp_path, plan.space), plan, trainer, trainer.budget)
    trainer.restart(minutes=40)
    study = open_study(tmp_path, plan.space)
    both = search(study, plan, trainer, trainer.budget)
    assert both[: len(first)] == first and len(both) > len(first) + 3
    assert len({trial.params["lr"] for trial in study.trials}) == len(study.trials)


def test_another_space_is_refused(tmp_path):
    open_study(tmp_path, plan_of().space)
    with pytest.raises(ValueError, match="of a search over other settings or ranges"):
        open_study(tmp_path, plan_of(["lr"]).space)


def test_a_line_cut_off_by_a_crash_does_no_harm(tmp_path):
    plan, trainer = plan_of(), FakeTrainer(tmp_path, minutes=20)
    found = search(open_study(tmp_path, plan.space), plan, trainer, trainer.budget)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"op_code": 4, "worker')
    (tmp_path / f"{JOURNAL}.lock").touch()  # of a process that was killed
    again = open_study(tmp_path, plan.space)
    assert outcomes_of(again, plan.space) == found
    again.enqueue_trial({"lr": 0.003, "mosaic": 0.5})
    assert outcomes_of(open_study(tmp_path, plan.space), plan.space) == found


@pytest.mark.parametrize(
    "text", ["x\n", "[]\n", '{"op_code": 99}\n', '{"op_code": 4}\n', '{"op_code": "a"}\n']
)
def test_a_damaged_file_is_refused(tmp_path, text):
    plan = plan_of()
    open_study(tmp_path, plan.space)
    path = tmp_path / JOURNAL
    path.write_text(path.read_text() + text + path.read_text())
    with pytest.raises(ValueError, match=r"study.log is damaged \(.*\): start a new search"):
        open_study(tmp_path, plan.space)


def test_a_link_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / JOURNAL).symlink_to(victim)
    with pytest.raises(ValueError, match="it is a link"):
        open_study(tmp_path, plan_of().space)
    assert victim.read_text() == "precious"


def test_values_that_no_search_writes_are_refused(tmp_path):
    plan = plan_of()
    trainer = FakeTrainer(tmp_path)
    run_trial(open_study(tmp_path, plan.space), plan, trainer, trainer.budget)
    path = tmp_path / JOURNAL
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "values" in line.get("user_attr", {}):
            line["user_attr"]["values"] = ["--output", "/"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match=r"values\[0\] is '--output', not a number"):
        open_study(tmp_path, plan.space)


def test_what_was_measured_is_kept(tmp_path):
    keep_measured(open_study(tmp_path, plan_of().space), {"defaults": {"1": 0.25}})
    assert measured_in(open_study(tmp_path, plan_of().space)) == {"defaults": {"1": 0.25}}
