"""Keeps a run within its minutes: its epochs are planned at the start, and planned again after each epoch."""

from collections.abc import Mapping
from time import perf_counter

from utils.data.index import DatasetIndex
from utils.run.resume import Progress
from utils.run.settings import Run
from utils.system.clock import STARTED
from utils.train.auto_workers import cores_of, measure_times
from utils.train.phases import Lengths, PhasePlanner
from utils.train.time_plan import Pace, TimeLimit, Timing, choose_lengths
from utils.train.trainer import Trainer

# Inference takes a third of a training step, whose backward pass takes twice as long as the forward pass.
FORWARD_SHARE = 1 / 3
# A run ends up to half an epoch early or late: 2.5 % of its time, and 5 % if epochs take twice as long as
# estimated.
FEWEST_EPOCHS = 20


def time_limit(planner: PhasePlanner, data: Mapping[str, DatasetIndex]) -> TimeLimit | None:
    """Return the time limit of the run, if it has one; `data` has "val", and "test" if that is another."""
    minutes = planner.settings.minutes
    ending = 1 + len(data.get("test", data["val"])) / len(data["val"])
    return None if minutes is None else TimeLimit(planner, 60 * minutes, STARTED, ending)


class TimeBudget:
    """The time of a run that has a limit.

    All processes create and call it. The times are those of the first one.
    """

    def __init__(
        self, trainer: Trainer, run: Run, limit: TimeLimit, validation: DatasetIndex, progress: Progress
    ) -> None:
        self.trainer, self.run, self.limit, self.progress = trainer, run, limit, progress
        self.before = progress.timing.seconds + progress.within.seconds if progress.timing else 0.0
        if progress.timing is None:
            progress.timing = first_timing(trainer, limit, validation, progress.epoch)
        self.planner = limit.planner.with_epochs_of(progress.timing.epoch_images)
        if progress.within.batches == 0:
            self.plan(f"--minutes {limit.seconds / 60:g}: ")
        self.epoch_began = self.elapsed() - progress.within.seconds

    def elapsed(self) -> float:
        """Return the seconds that the run has used so far."""
        return self.before + perf_counter() - self.limit.started

    def epoch_done(self, frozen: bool, training: float, evaluated: bool) -> None:
        """Take in the times of the epoch that has just ended, and plan the rest of the run.

        training  seconds of the epoch without its evaluation
        """
        assert self.progress.timing is not None
        now, pace = self.elapsed(), self.progress.timing.pace
        pace.measure("frozen" if frozen else "unfrozen", training)
        if evaluated:
            pace.measure("evaluation", max(0.0, now - self.epoch_began - training))
        self.progress.timing.seconds = self.epoch_began = now
        self.plan("time limit: ")

    def plan(self, reason: str) -> None:
        """Choose the number of epochs by the time that is left; prints it if it is another one."""
        timing, done = self.progress.timing, self.progress.epoch
        assert timing is not None
        pace = timing.pace
        left = self.limit.seconds - self.elapsed() - self.limit.ending * pace.evaluation
        period = self.run.settings.eval_period
        chosen = choose_lengths(self.planner, pace, left, period, done, timing.lengths if done else None)
        lengths: Lengths = self.trainer.processes.broadcast(chosen)
        if lengths.epochs != timing.lengths.epochs or done == 0:
            print(
                f"{reason}{lengths.epochs} epochs, {lengths.freeze_epochs} of them frozen (an epoch takes "
                f"{pace.unfrozen:.1f} s, its evaluation {pace.evaluation:.1f} s)"
            )
        timing.lengths = lengths
        self.trainer.set_phases(self.planner.phases(lengths))


def first_timing(trainer: Trainer, limit: TimeLimit, validation: DatasetIndex, epoch: int) -> Timing:
    """Return the estimated times of a run that begins.

    If there would be too few epochs to plan with, and to choose the best one of, they are shortened: each
    has only a part of the images. Prints that.
    """
    pace = trainer.processes.broadcast(estimate_pace(trainer, validation))
    lengths, images = limit.planner.lengths(max(1, epoch)), len(trainer.train_index)
    longest = limit.seconds / FEWEST_EPOCHS
    if pace.unfrozen <= longest or epoch > 0:
        return Timing(0.0, pace, lengths)
    share = longest / pace.unfrozen
    part = max(round(images * share), trainer.phases[0].batch_size)
    print(f"an epoch has {part} of the {images} images, at random: all would take {pace.unfrozen:.0f} s")
    epoch_seconds = pace.unfrozen * part / images
    pace = Pace(epoch_seconds, epoch_seconds, pace.evaluation)
    return Timing(0.0, pace, lengths, part)


def estimate_pace(trainer: Trainer, validation: DatasetIndex) -> Pace:
    """Return the times of an epoch and its evaluation, estimated from those of a few batches."""
    machine = trainer.settings.machine.workers or 0, cores_of(trainer), trainer.device.type == "cuda"
    times, batch_size = measure_times(trainer), trainer.phases[0].batch_size
    forward = times._replace(step=times.step * FORWARD_SHARE)
    epoch = times.with_workers(*machine) * len(trainer.train_index) / batch_size
    return Pace(epoch, epoch, forward.with_workers(*machine) * len(validation) / batch_size)
