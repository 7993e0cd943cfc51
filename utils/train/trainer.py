"""The training loop: phases of epochs, each epoch of steps, evaluation and checkpoints between.

The recipe's parts are elsewhere and exchangeable: what varies (phases), the learning rate (schedule), the
optimizer, the average of the weights (ema), the loss (nets), the data (dataset, loader).
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from nets.common.detector import Detector
from utils.data.index import DatasetIndex
from utils.loader.batch import Batch, batch_to_device
from utils.loader.image_cache import Cache, ImageCache, open_cache
from utils.loader.loader import training_loader
from utils.loader.samplers import EpochBatches, training_sizes
from utils.loader.train_dataset import DetectionDataset, SampleKey
from utils.loader.worker_recovery import RecoveringLoader
from utils.system.device import to_device, usable_cores
from utils.system.distributed import Processes
from utils.system.memory import memory_use
from utils.train.auto_workers import choose_workers, measure_loading, measure_step
from utils.train.data_wait import timing_waits
from utils.train.ema import EMA
from utils.train.epoch_state import BAD, EpochProgress, EpochResult
from utils.train.freezing import is_frozen, stages_frozen
from utils.train.gradient_accumulation import Gradients, add
from utils.train.lr_schedule import decay_factor, warmup_factor
from utils.train.nonfinite_guard import MOST_IN_A_ROW, MOST_NAMED, NonfiniteGuard, require_finite, skip_step
from utils.train.optimizer import build_optimizer
from utils.train.phases import Phase, apply_freezing
from utils.train.settings import TrainSettings
from utils.train.sync_batch_norm import synchronise_batch_norm

LOG_EVERY = 10  # steps between log lines: only these wait for the device


class Trainer:
    """Trains a detector. It holds what a step changes; the files of a run are the caller's.

    Attributes that are saved and restored: detector, ema, optimizer, scaler, step, rate_factor and
    gradients.parts. With several processes each has its part of every batch, and all hold the same weights.
    """

    def __init__(
        self,
        detector: Detector,
        train_index: DatasetIndex,
        phases: Sequence[Phase],
        settings: TrainSettings,
        device: torch.device,
        processes: Processes | None = None,
    ) -> None:
        self.processes = processes or Processes()
        if self.processes.size > 1 and settings.sync_bn:
            synchronise_batch_norm(detector, device)
        self.detector = to_device(detector, device)
        self.train_index = train_index
        self.phases = phases
        self.settings = settings
        self.device = device
        self.autocast = settings.detect.autocast
        self.optimizer = build_optimizer(
            *(detector, settings.optimizer, settings.momentum, settings.weight_decay, settings.layer_decay),
            by_stage=any(stages_frozen(phase.frozen) for phase in phases),
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        self.total_steps = sum(phase.epochs * self.steps_per_epoch(phase) for phase in phases)
        self.ema = EMA(detector, self.total_steps) if settings.ema else None
        self.step, self.rate_factor = 0, 1.0
        self.guard = NonfiniteGuard(self.detector)
        self.recent: list[tuple[Tensor, Tensor]] = []  # whether steps were bad, and their images
        self.bad_batches: list[int] = []  # numbers within the epoch, for whoever keeps them
        self.gradients = Gradients(
            *(self.detector, device, self.autocast, self.scaler, self.processes),
            *(settings.batch_parts, settings.compile),
        )
        self.cache: ImageCache | None = None

    def steps_per_epoch(self, phase: Phase) -> int:
        """Optimizer steps in an epoch: full batches, or the one that there is."""
        return max(1, len(self.train_index) // phase.batch_size)

    @property
    def evaluated(self) -> Detector:
        """The model whose figures count: the averaged one."""
        return self.detector if self.ema is None else self.ema.module

    def dataset(self, phase: Phase) -> DetectionDataset:
        """The images of a phase."""
        settings, pixels = self.settings, self.detector.pixels
        multi_scale = phase.augmentation.multi_scale
        return DetectionDataset(
            self.train_index,
            training_sizes(settings.image_size, self.detector.stride, multi_scale, settings.smallest),
            phase.augmentation,
            settings.seed,
            pixels.pad_value,
            pixels.pad_centred,
            vary_later=self.device.type == "cuda",
            cache=self.cache,
        )

    def loader(self, phase: Phase) -> tuple[RecoveringLoader[SampleKey], EpochBatches]:
        """A loader for a phase and its batches; each phase has its own: workers do not see later changes."""
        share, pinned = self.processes.share(phase.batch_size), self.device.type == "cuda"
        place_here = self.processes.rank, self.processes.size
        return training_loader(self.dataset(phase), share, self.settings.workers, pinned, *place_here)

    def whole_batches(self, phase: Phase, epoch: int) -> list[list[SampleKey]]:
        """The batches of an epoch, of all processes together."""
        dataset = self.dataset(phase)
        batches = EpochBatches(len(dataset), phase.batch_size, dataset.seed, dataset.sizes)
        batches.set_epoch(epoch)
        return list(batches)

    @contextmanager
    def keeping_images(self, choice: Cache, path: Path) -> Iterator[None]:
        """Keep decoded images as `choice` says; in `path`, if in a file, which is removed in the end."""
        self.cache = open_cache(choice, self.train_index, self.dataset(self.phases[0]).reduction, path)
        try:
            yield
        finally:
            self.cache = None
            with suppress(OSError):  # some systems do not let go of a file that workers still have open
                path.unlink(missing_ok=True)

    def measure_workers(self) -> None:
        """Use as many workers as suit this machine, by the time that loading and training take on it."""
        phase = self.phases[0]
        _, batches = self.loader(phase)
        load, batch = measure_loading(self.dataset(phase), list(islice(batches, 4)))
        step = measure_step(self.detector, batch, self.device, self.autocast)
        cores = max(1, usable_cores() // self.processes.here)
        workers = choose_workers(load, step, cores, self.device.type == "cuda")
        print(f"workers: {workers} (a batch takes {load:.3f} s to load, {step:.3f} s to train on)")
        self.settings = replace(self.settings, workers=workers)

    def train_epoch(
        self, phase: Phase, loader: Iterable[Batch], epoch: int, progress: EpochProgress
    ) -> Iterator[EpochProgress]:
        """Train on the images of an epoch from `progress` on, which it moves on and yields after each step.

        ValueError with the fix if the loss is no longer a number.
        """
        apply_freezing(self.detector, phase)
        self.gradients.start_phase(phase)
        start = time.perf_counter() - progress.seconds
        hidden = None if self.processes.first else True
        batches = timing_waits(loader, self.device, progress)
        look = {"total": self.steps_per_epoch(phase), "leave": False, "dynamic_ncols": True}
        bar = tqdm(batches, desc=f"epoch {epoch + 1}", disable=hidden, **look)
        bar.update(progress.batches)
        for batch in bar:
            self.set_learning_rate(phase)
            progress.sums = add(progress.sums, self.train_step(batch))
            progress.batches += 1
            progress.images += len(batch.images) * self.processes.size
            progress.skipped += batch.skipped
            progress.seconds = time.perf_counter() - start
            if progress.batches % LOG_EVERY == 0:
                self.look_at_bad_steps(progress)
                means = progress.means()
                shown = {name: f"{value:.3f}" for name, value in means.items()}
                bar.set_postfix(shown | {"images/s": f"{progress.images / progress.seconds:.1f}"})
            yield progress

    def epoch_result(self, progress: EpochProgress) -> EpochResult:
        """What an epoch that is done came to. ValueError with the fix if its loss is no number."""
        self.look_at_bad_steps(progress)
        means, learning_rate = progress.means(), self.learning_rate
        require_finite(means, self.step, learning_rate)
        of_all = self.processes.gather((progress.skipped, progress.waited / progress.seconds))
        skipped, waiting = [path for part, _ in of_all for path in part], max(share for _, share in of_all)
        speed, memory = progress.images / progress.seconds, memory_use(self.device)
        return EpochResult(
            means, learning_rate, speed, progress.seconds, skipped, waiting, progress.bad_told, memory
        )

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimizer; returns the losses by component, on the device."""
        images, targets = batch_to_device(batch, self.device)
        self.guard.start()
        losses = self.processes.mean(self.gradients.add(images, targets))
        scaled = (
            self.scaler.is_enabled()
        )  # gradients overflow now and then, and it leaves the step out itself
        bad = self.guard.is_bad(losses, with_gradients=not scaled)
        if not scaled:
            skip_step(self.optimizer, bad)
        if self.settings.clip:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.detector.parameters(), self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.step += 1
        if self.ema is not None:
            self.ema.update()
        self.recent.append((bad, batch.indices))
        return {name: torch.where(bad > 0, 0, loss) for name, loss in losses.items()} | {BAD: bad}

    @property
    def learning_rate(self) -> float:
        """The highest of the last step: the head's, unless it is frozen."""
        return max(group["lr"] for group in self.optimizer.param_groups)

    def set_learning_rate(self, phase: Phase) -> None:
        """Set each group's rate for the coming step; 0 for what is frozen."""
        decay = decay_factor(self.step / self.total_steps, self.settings.lr_decay)
        warmup_steps = round(self.settings.warmup_epochs * self.steps_per_epoch(phase))
        for group in self.optimizer.param_groups:
            trained = self.step - self.first_step(group["part"], group["stage"])
            rate = self.rate_factor * phase.learning_rate * decay * group["scale"]
            group["lr"] = rate * warmup_factor(trained, warmup_steps)

    def step_at(self, epoch: int, batches: int = 0) -> int:
        """The step that an epoch starts with, or that comes after some of its batches."""
        step = batches
        for phase in self.phases:
            step += min(epoch, phase.epochs) * self.steps_per_epoch(phase)
            epoch -= min(epoch, phase.epochs)
        return step

    def first_step(self, part: str, stage: int = 0) -> int:
        """The step at which a part, or a stage of it, starts to train: it warms up from there."""
        before = takewhile(lambda phase: is_frozen(part, stage, phase.frozen), self.phases)
        return self.step_at(sum(phase.epochs for phase in before))

    def look_at_bad_steps(self, progress: EpochProgress) -> None:
        """Tell of steps that were left out, and halve the learning rate; ValueError if they don't end."""
        bad, recent = progress.bad(), self.recent
        self.recent = []
        if bad == progress.bad_told:
            return
        first = progress.batches - len(recent)
        self.bad_batches += [first + number for number, (was_bad, _) in enumerate(recent) if was_bad]
        if int(self.guard.in_a_row) >= MOST_IN_A_ROW or bad == progress.batches:
            require_finite({"loss": math.nan}, self.step, self.learning_rate)
        self.rate_factor /= 2
        here = [image for was_bad, batch in recent if was_bad for image in batch.tolist()]
        images = [image for part in self.processes.gather(here) for image in part]
        names = ", ".join(self.train_index.path(image).name for image in images[:MOST_NAMED])
        print(
            f"left out before step {self.step}: {bad - progress.bad_told} steps whose gradients were no "
            f"numbers; the learning rate is halved. Their images: {names}"
        )
        progress.bad_told = bad
