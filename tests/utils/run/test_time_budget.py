"""A run with a time limit: its epochs are planned, and planned again as their times are known."""

import shutil
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nets import preset
from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer
from utils.data.index import select_images
from utils.run import fit as training_loop
from utils.run import time_budget
from utils.run.fit import fit
from utils.run.resume import Progress, restore_run, save_run
from utils.run.run_evaluation import Evaluation
from utils.run.settings import Run, RunSettings
from utils.run.time_budget import TimeBudget, time_limit
from utils.system.distributed import Processes
from utils.train.phases import Lengths, PhasePlanner, total_epochs
from utils.train.settings import PhaseSettings
from utils.train.time_plan import Pace, TimeLimit, Timing
from utils.weights.checkpoint import load_checkpoint

FROZEN = replace(PHASE, name="frozen", frozen=("backbone",))
PLANNER = PhasePlanner(FROZEN, PHASE, PhaseSettings(minutes=1.0), images=4, from_weights=True)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set: clock[0] is the time."""
    now = [0.0]
    monkeypatch.setattr(time_budget, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time_budget, "FEWEST_EPOCHS", 10)
    monkeypatch.setattr(time_budget, "estimate_pace", lambda trainer, validation: Pace(2.0, 4.0, 1.0))
    return now


def run_of(folder, limit, **changes):
    return Run(folder, preset("yolox_nano"), 2, RunSettings(log=(), save_period=1, **changes), limit)


def test_planned_and_corrected(index, clock, tmp_path, capsys):
    trainer, progress = make_trainer(index, PLANNER.first_phases()), Progress()
    limit = TimeLimit(PLANNER, seconds=60.0, started=-6.0, ending=2.0)  # 6 s of imports, and 2 s at the end
    budget = TimeBudget(trainer, run_of(tmp_path, limit), limit, index, progress)
    # 52 s are left: 2 frozen epochs of 3 s, and 9 of 5 s make 51 s.
    assert progress.timing.lengths == Lengths(11, 2, 8)
    assert total_epochs(trainer.phases) == 11 and trainer.schedule.total_steps == 11 * 2
    assert "--minutes 1: 11 epochs, 2 of them frozen" in capsys.readouterr().out

    # The first frozen epoch takes twice as long as estimated, so all will: 4 s and 8 s, and 1 s.
    clock[0], progress.epoch = 5.0, 1
    budget.epoch_done(frozen=True, training=4.0, evaluated=True)
    assert progress.timing.pace == Pace(4.0, 8.0, 1.0, progress.timing.pace.measured)
    # 60 - 11 - 2 = 47 s: a fifth of 6 epochs is the one that is over, and 5 of 9 s make 45 s.
    assert progress.timing.lengths == Lengths(6, 1, 4) and total_epochs(trainer.phases) == 6
    assert progress.timing.seconds == 11.0
    assert "time limit: 6 epochs" in capsys.readouterr().out


def test_a_resumed_run_counts_the_time_before(index, clock, tmp_path):
    timing = Timing(30.0, Pace(2.0, 4.0, 1.0), Lengths(11, 2, 8))
    progress = Progress(epoch=6, timing=timing)
    trainer = make_trainer(index, PLANNER.phases(timing.lengths))
    limit = TimeLimit(PLANNER, seconds=60.0, started=-4.0, ending=1.0)
    TimeBudget(trainer, run_of(tmp_path, limit), limit, index, progress)
    # 60 - 34 - 1 = 25 s for 5 epochs of 5 s.
    assert progress.timing.lengths.epochs == 11
    longer = limit._replace(seconds=90.0)
    TimeBudget(trainer, run_of(tmp_path, longer), longer, index, progress)
    assert progress.timing.lengths.epochs == 17 == total_epochs(trainer.phases)


def test_a_run_ends_by_its_clock_and_is_resumed(index, clock, tmp_path, monkeypatch):
    """Epochs take 5 s by the clock, so that 10 of them fit into 50 s."""

    def evaluated(*given):
        clock[0] += 5.0
        return Evaluation(SimpleNamespace(map50=0.5, map50_95=0.5), defaultdict(float))

    monkeypatch.setattr(training_loop, "evaluate_if_due", evaluated)
    planner = replace(PLANNER, settings=PhaseSettings(minutes=50 / 60, freeze_epochs=0))
    limit = TimeLimit(planner, seconds=50.0, started=0.0, ending=0.0)
    trainer = make_trainer(index, planner.first_phases())
    progress = fit(trainer, index, run_of(tmp_path, limit), Progress())
    assert progress.epoch == 10 and trainer.steps == 20

    cut = tmp_path / "cut"
    cut.mkdir()
    shutil.copy(tmp_path / "epoch_008.pt", cut / "last.pt")
    assert load_checkpoint(cut / "last.pt")["timing"]["seconds"] == 40.0
    clock[0] = 100.0
    again = make_trainer(index, planner.first_phases(), weights_seed=9)
    restored = restore_run(again, cut, planner)
    assert restored.timing.seconds == 40.0 and again.steps == 16
    done = fit(again, index, run_of(cut, limit._replace(started=100.0)), restored)
    assert done.epoch == 10


def test_epochs_of_a_part_of_the_images(index, clock, tmp_path, capsys):
    """In 20 s, 10 epochs of 4 s do not fit, but 10 of half the images do, without their evaluation."""
    trainer, progress = make_trainer(index, PLANNER.first_phases()), Progress()
    limit = TimeLimit(PLANNER, seconds=20.0, started=0.0, ending=0.0)
    TimeBudget(trainer, run_of(tmp_path, limit), limit, index, progress)
    assert "an epoch has 2 of the 4 images, at random: all would take 4 s" in capsys.readouterr().out
    assert progress.timing == Timing(0.0, Pace(2.0, 2.0, 1.0), Lengths(7, 1, 5), 2)
    assert trainer.schedule.total_steps == 7  # of a batch of two
    batches = [len(batch.images) for batch in trainer.start_epoch(trainer.phases[0], 0)]
    assert batches == [2]
    save_run(tmp_path / "last.pt", trainer, preset("yolox_nano"), progress)
    again = make_trainer(index, PLANNER.first_phases())
    assert restore_run(again, tmp_path, PLANNER).timing == progress.timing
    assert again.schedule.total_steps == 7 and again.phases == trainer.phases


def test_all_processes_plan_with_the_times_of_the_first(index, clock, tmp_path, monkeypatch):
    """This one measured a tenth of them, by which whole epochs would fit."""
    first = Pace(2.0, 4.0, 1.0)
    monkeypatch.setattr(time_budget, "estimate_pace", lambda trainer, validation: Pace(0.2, 0.4, 0.1))
    monkeypatch.setattr(Processes, "broadcast", lambda self, value: first if type(value) is Pace else value)
    trainer, progress = make_trainer(index, PLANNER.first_phases()), Progress()
    limit = TimeLimit(PLANNER, seconds=20.0, started=0.0, ending=0.0)
    TimeBudget(trainer, run_of(tmp_path, limit), limit, index, progress)
    assert progress.timing == Timing(0.0, Pace(2.0, 2.0, 1.0), Lengths(7, 1, 5), 2)


def test_the_limit_from_the_settings(index):
    more = select_images(index, [True, True, False, False])
    limit = time_limit(PLANNER, {"train": index, "val": more, "test": index})
    assert limit.seconds == 60.0 and limit.ending == 1 + 4 / 2
    assert time_limit(replace(PLANNER, settings=PhaseSettings(epochs=3)), {"val": index}) is None


def test_estimated_times_are_positive(index):
    trainer = make_trainer(index, PLANNER.first_phases())
    pace = time_budget.estimate_pace(trainer, index)
    assert pace.frozen == pace.unfrozen > pace.evaluation > 0
