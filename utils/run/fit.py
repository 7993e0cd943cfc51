"""The training loop: epochs of steps, with evaluation, checkpoints and logging."""

import signal
import time
from collections.abc import Iterator
from typing import NoReturn

from utils.data.index import DatasetIndex
from utils.run.epoch_log import RunLog
from utils.run.failures import explain_failures
from utils.run.folder import resumed_with
from utils.run.preview import save_bad_batch
from utils.run.resume import LAST, Progress, save_run
from utils.run.run_evaluation import Evaluation, evaluate_best, evaluate_run
from utils.run.settings import Run
from utils.run.time_budget import TimeBudget
from utils.system.signals import Stopped, StopSignal, exit_status_of
from utils.train.batch_norm_statistics import measure_batch_norm
from utils.train.data_wait import idle_timer
from utils.train.epoch_state import EpochState
from utils.train.phases import Phase, phase_at, total_epochs
from utils.train.trainer import Trainer

REVIEW_EVERY = 10  # steps; only then does the loop wait for the device
MAX_BAD_BATCHES = 3  # kept per run


def fit(trainer: Trainer, validation: DatasetIndex, run: Run, progress: Progress) -> Progress:
    """Train from `progress` to the last epoch; writes the best and the last checkpoint to the run's folder.

    Raises `Stopped` after Ctrl+C or SIGTERM, once the step is done and everything is saved. All processes
    call this; the first one writes.
    """
    stop, log = StopSignal(), RunLog(trainer, run, progress.epoch)
    with log.experiments, explain_failures(trainer, run.folder), stop.listening():
        if progress.set_data(trainer.train_index, validation) and progress.best_epoch:
            evaluate_best_again(trainer, validation, run, progress, stop)
        if trainer.steps == 0:
            save(trainer, run, progress, LAST)  # from now on the run can be resumed
        limit = run.time_limit
        budget = TimeBudget(trainer, run, limit, validation, progress) if limit else None
        for phase, epoch in remaining_epochs(trainer, progress):
            if early_stopping(run, progress):
                break
            state = progress.within
            log.start_epoch(phase, epoch)
            idle, started = idle_timer(trainer.device), time.perf_counter() - state.seconds
            batches = trainer.start_epoch(phase, epoch, state.batches)
            for batch in log.progress_bar(batches, state, phase, epoch):
                state.data_wait_seconds += idle.step_started()
                losses = trainer.step(batch)
                state.add(batch, losses, time.perf_counter() - started, trainer.processes.world_size)
                if state.batches % REVIEW_EVERY == 0:
                    review_steps(trainer, run, phase, epoch, state)
                    log.show_means(state)
                if asked_to_stop(stop, trainer, state):
                    save_and_stop(trainer, run, progress, stop)
                if run.settings.save_steps and trainer.steps % run.settings.save_steps == 0:
                    save(trainer, run, progress, LAST)
                idle.step_ended()
            review_steps(trainer, run, phase, epoch, state)
            result = trainer.epoch_result(state)
            evaluation = evaluate_if_due(trainer, validation, run, progress, stop)
            is_best = progress.finish_epoch(evaluation.metrics.map50_95 if evaluation else None)
            notices = log.record(progress, result, evaluation)
            if budget:
                budget.epoch_done(bool(phase.frozen), result.seconds, evaluation is not None)
            save_epoch(trainer, run, progress, is_best)
            log.show(progress, result, evaluation, notices)
    trainer.stop_workers()
    return progress


def remaining_epochs(trainer: Trainer, progress: Progress) -> Iterator[tuple[Phase, int]]:
    """Yield the phase and number of each epoch that is left; a time limit may change how many are."""
    while progress.epoch < total_epochs(trainer.phases):
        yield phase_at(trainer.phases, progress.epoch), progress.epoch


def early_stopping(run: Run, progress: Progress) -> bool:
    """Return whether the mAP has not improved in the last --patience evaluations; prints it."""
    stops = 0 < run.settings.patience <= progress.evaluations_since_best
    if stops:
        print(f"early stopping: no better mAP in {run.settings.patience} evaluations")
    return stops


def review_steps(trainer: Trainer, run: Run, phase: Phase, epoch: int, state: EpochState) -> None:
    """Save the batches of the first few skipped steps of a run; ValueError if training has diverged."""
    skipped = trainer.review_steps(state)
    if not skipped:
        return
    for number in skipped if trainer.processes.first else ():
        if len([*run.folder.glob("bad_batch_*.pt")]) < MAX_BAD_BATCHES:
            path = run.folder / f"bad_batch_epoch_{epoch + 1}_{number + 1}"
            save_bad_batch(path, trainer.whole_batch(phase, epoch, number), trainer.train_index)
    trainer.require_progress(state)


def evaluate_if_due(
    trainer: Trainer, validation: DatasetIndex, run: Run, progress: Progress, stop: StopSignal
) -> Evaluation | None:
    """Evaluate every --eval-period epochs and after the last. A signal stops the evaluation at once."""
    epoch, total = progress.epoch + 1, total_epochs(trainer.phases)
    if epoch % run.settings.eval_period and epoch < total:
        return None
    try:
        with stop.stopping_at_once():
            measure_batch_norm(trainer, progress.epoch)
            evaluation = evaluate_run(trainer, validation, run)
    except KeyboardInterrupt:
        save_and_stop(trainer, run, progress, stop)
    return evaluation


def evaluate_best_again(
    trainer: Trainer, validation: DatasetIndex, run: Run, progress: Progress, stop: StopSignal
) -> None:
    """Make the mAP of the best weights comparable: measure it on validation data that is new in the run."""
    before, epoch = progress.best, progress.best_epoch
    with stop.stopping_at_once():
        found = evaluate_best(trainer, validation, run)
    if found is None:
        progress.set_best(-1.0, 0)
        print("notice: best.pt cannot be read: the next evaluation counts as the best so far")
    else:
        progress.set_best(*found)
        print(
            f"notice: on the new validation data the best weights so far, of epoch {found.epoch}, have "
            f"mAP50-95 {found.map50_95:.4f}; on the data before, epoch {epoch} had {before:.4f}"
        )


def asked_to_stop(stop: StopSignal, trainer: Trainer, state: EpochState) -> bool:
    """Return whether a signal came. Several processes compare now and then, to stop at the same step."""
    if trainer.processes.world_size == 1:
        return stop.number != 0
    return state.batches % REVIEW_EVERY == 0 and trainer.processes.largest(stop.number) != 0


def save(trainer: Trainer, run: Run, progress: Progress, name: str) -> None:
    """Write a checkpoint to the run's folder."""
    if trainer.processes.first:
        save_run(run.folder / name, trainer, run.model, progress)


def save_epoch(trainer: Trainer, run: Run, progress: Progress, is_best: bool) -> None:
    """Write the checkpoints of a finished epoch.

    last.pt comes last: until it is written, a resumed run repeats the epoch and writes the others again.
    """
    if is_best:
        save(trainer, run, progress, "best.pt")
    if run.settings.save_period and progress.epoch % run.settings.save_period == 0:
        save(trainer, run, progress, f"epoch_{progress.epoch:03d}.pt")
    save(trainer, run, progress, LAST)


def save_and_stop(trainer: Trainer, run: Run, progress: Progress, stop: StopSignal) -> NoReturn:
    """Save, and raise `Stopped` with the command that resumes the run."""
    save(trainer, run, progress, LAST)
    raise Stopped(
        exit_status_of(stop.number or signal.SIGTERM),
        f"stopped after step {trainer.steps} and saved; resume with: python train.py --resume "
        f"{resumed_with(run.folder)}",
    )
