"""A run from its first epoch to its last: training, evaluation, checkpoints and figures, epoch by epoch."""

import signal
import time
from itertools import accumulate
from typing import NamedTuple, NoReturn

from utils.data.index import DatasetIndex
from utils.run import epoch_log as epoch_table
from utils.run.epoch_log import _figures, _row, _shown
from utils.run.failures import explain_failures
from utils.run.folder import append_metrics, read_metrics
from utils.run.loggers import Experiments, open_experiments
from utils.run.notices import Conditions, new_notices
from utils.run.plot import plot_run
from utils.run.preview import save_bad_batch, save_batch_image
from utils.run.resume import LAST, Progress, RunSettings, save_run
from utils.run.run_evaluation import Evaluation, evaluate_run
from utils.system.device import usable_cores
from utils.system.signals import Stopped, StopSignal, status_of
from utils.train.epoch_state import EpochProgress, EpochResult
from utils.train.nonfinite_guard import require_finite
from utils.train.phases import Phase
from utils.train.trainer import LOG_EVERY, Trainer

HEADER_EVERY = 30  # rows, so that it is still on the screen
MOST_BAD_BATCHES = 3  # that a run keeps


class Session(NamedTuple):
    """What the epochs of one call of `fit` share; only the first of several processes has experiments."""

    trainer: Trainer
    validation: DatasetIndex
    run: RunSettings
    experiments: Experiments
    stop: StopSignal
    started: float
    first_epoch: int


def fit(trainer: Trainer, validation: DatasetIndex, run: RunSettings, progress: Progress) -> Progress:
    """Train from `progress` to the end, writing the run's folder; the best is by mAP50-95 on `validation`.

    Raises `Stopped` after Ctrl+C or SIGTERM, when the step is finished and everything saved. Of several
    processes, which all call this, the first writes.
    """
    stop = StopSignal()
    where = run.log if trainer.processes.first else ()
    experiments = open_experiments(where, run.folder, progress.epoch)
    session = Session(trainer, validation, run, experiments, stop, time.perf_counter(), progress.epoch)
    with experiments, explain_failures(trainer, run.folder), stop.listening():
        if trainer.step == 0:
            _save(session, LAST, progress)  # from now on there is something to resume
        first = 0
        for phase in trainer.phases:
            epochs = range(max(first, progress.epoch), first + phase.epochs)
            first += phase.epochs
            if epochs and not _waited_enough(run, progress):
                print(phase.describe())
                _fit_phase(session, phase, epochs, progress)
    return progress


def _fit_phase(session: Session, phase: Phase, epochs: range, progress: Progress) -> None:
    trainer, run = session.trainer, session.run
    loader, batches = trainer.loader(phase)
    for epoch in epochs:
        batches.set_epoch(epoch, progress.within.batches)
        if trainer.step == 0 and trainer.processes.first:
            batch = trainer.dataset(phase).__getitems__(next(iter(batches)))
            save_batch_image(run.folder / "train_batch.jpg", batch, session.validation.class_names)
        try:
            for _ in trainer.train_epoch(phase, loader, epoch, progress.within):
                if _asked_to_stop(session, progress.within.batches):
                    _save_and_stop(session, progress)
                if run.save_steps and trainer.step % run.save_steps == 0:
                    _save(session, LAST, progress)
            _finish_epoch(session, progress, with_header=(epoch - epochs.start) % HEADER_EVERY == 0)
        finally:  # where the steps stay bad, the training ends
            _save_bad_batches(session, phase, epoch)
        if _waited_enough(run, progress):
            print(f"stopped: no better mAP in {run.patience} evaluations")
            break


def _finish_epoch(session: Session, progress: Progress, with_header: bool) -> None:
    """Evaluate where that is due, and write figures and checkpoints."""
    trainer, run = session.trainer, session.run
    total = sum(phase.epochs for phase in trainer.phases)
    result = trainer.epoch_result(progress.within)
    evaluation = None
    if (progress.epoch + 1) % run.eval_period == 0 or progress.epoch + 1 == total:
        try:
            with session.stop.stopping_at_once():
                evaluation = evaluate_run(trainer, session.validation, run)
        except KeyboardInterrupt:
            _save_and_stop(session, progress)
    if evaluation is not None:
        require_finite(evaluation.losses, trainer.step, result.learning_rate)
    progress.epoch, progress.within = progress.epoch + 1, EpochProgress()
    better = evaluation is not None and evaluation.metrics.map50_95 > progress.best
    if evaluation is not None:
        progress.waited = 0 if better else progress.waited + 1
    if better:
        assert evaluation is not None
        progress.best, progress.best_epoch = evaluation.metrics.map50_95, progress.epoch
    notices = {}
    if trainer.processes.first:
        _write_row(session, progress.epoch, result, evaluation)
        notices = new_notices(read_metrics(run.folder), _conditions(trainer), progress.told)
        progress.told += notices
    # The last comes last: before it is there, the epoch would be done again, and the others written again.
    due = run.save_period and progress.epoch % run.save_period == 0
    for name in ["best.pt"] * better + [f"epoch_{progress.epoch:03d}.pt"] * bool(due) + [LAST]:
        _save(session, name, progress)
    done = progress.epoch - session.first_epoch
    left = (time.perf_counter() - session.started) / done * (total - progress.epoch)
    print(_shown(_figures(progress, total, result, evaluation, left), with_header))
    for text in [*epoch_table.skipped(result.skipped), *(f"notice: {notice}" for notice in notices.values())]:
        print(f"  {text}")


def _save_bad_batches(session: Session, phase: Phase, epoch: int) -> None:
    """Make the batches of bad steps again, which depend on epoch and number alone, and keep the first few."""
    trainer, folder = session.trainer, session.run.folder
    numbers, trainer.bad_batches = trainer.bad_batches, []
    if not numbers or not trainer.processes.first:
        return
    batches = trainer.whole_batches(phase, epoch)
    for number in numbers:
        if len([*folder.glob("bad_batch_*.pt")]) < MOST_BAD_BATCHES:
            name = folder / f"bad_batch_epoch_{epoch + 1}_{number + 1}"
            save_bad_batch(name, trainer.dataset(phase).__getitems__(batches[number]), trainer.train_index)


def _asked_to_stop(session: Session, batches: int) -> bool:
    """Whether a signal came. Several processes ask one another, now and then, and stop at the same step."""
    processes = session.trainer.processes
    if processes.size == 1:
        return session.stop.number != 0
    return batches % LOG_EVERY == 0 and processes.largest(session.stop.number) != 0


def _save(session: Session, name: str, progress: Progress) -> None:
    """Write a checkpoint into the run's folder."""
    if session.trainer.processes.first:
        save_run(session.run.folder / name, session.trainer, session.run.model, progress)


def _save_and_stop(session: Session, progress: Progress) -> NoReturn:
    _save(session, LAST, progress)
    raise Stopped(
        status_of(session.stop.number or signal.SIGTERM),
        f"stopped after step {session.trainer.step}, and saved; to go on: "
        f"python train.py --resume {session.run.folder}",
    )


def _write_row(session: Session, epoch: int, result: EpochResult, evaluation: Evaluation | None) -> None:
    """Write the epoch's figures: as a row, as curves, and for the experiments."""
    row = {"epoch": epoch} | _row(result, evaluation, session.trainer.device)
    append_metrics(session.run.folder, row)
    figures = {name: value for name, value in row.items() if value != "" and name != "epoch"}
    session.experiments.log(figures, epoch)
    plot_run(session.run.folder)


def _conditions(trainer: Trainer) -> Conditions:
    epochs = [phase.epochs for phase in trainer.phases]
    return Conditions(
        starts=tuple(accumulate(epochs[:-1], initial=0)),
        warmup_epochs=trainer.settings.warmup_epochs,
        workers=trainer.settings.workers,
        cores=usable_cores() // trainer.processes.here,
        on_gpu=trainer.device.type == "cuda",
        cached=trainer.cache is not None,
    )


def _waited_enough(run: RunSettings, progress: Progress) -> bool:
    return 0 < run.patience <= progress.waited
