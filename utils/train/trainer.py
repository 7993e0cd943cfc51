"""The trainer: one training step, and all state that it changes.

The parts of a step are modules of their own and can be exchanged: the phases of a run (phases), the learning
rate (lr_schedule), the optimizer, gradient accumulation, the EMA of the weights (ema), the loss (nets) and
the data (utils/loader).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor

from nets.common.detector import Detector
from utils.data.index import DatasetIndex
from utils.loader.batch import Batch, batch_to_device
from utils.loader.image_cache import Cache, ImageCache, open_cache
from utils.loader.loader import training_loader
from utils.loader.samplers import EpochBatches, batches_of, training_sizes
from utils.loader.train_dataset import SampleKey, TrainDataset
from utils.loader.worker_recovery import RecoveringLoader
from utils.system.device import to_device
from utils.system.distributed import Processes
from utils.system.memory import memory_use
from utils.train.ema import EMA
from utils.train.epoch_state import EpochResult, EpochState
from utils.train.freezing import stages_frozen
from utils.train.gradient_accumulation import GradientAccumulator
from utils.train.lr_schedule import LRSchedule
from utils.train.nonfinite_guard import (
    MAX_IMAGES_NAMED,
    MAX_IN_A_ROW,
    NONFINITE,
    NonfiniteGuard,
    require_finite,
    skip_step,
)
from utils.train.optimizer import build_optimizer
from utils.train.phases import Phase, apply_freezing
from utils.train.settings import TrainSettings
from utils.train.sync_batch_norm import synchronise_batch_norm


class Trainer:
    """Trains a detector, one step at a time, and holds all state that a step changes.

    Checkpoints save and restore detector, ema, optimizer, scaler, steps, lr_factor and gradients.parts. With
    several processes each trains on its part of every batch, and all hold the same weights.
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
        optimization, machine = settings.optimization, settings.machine
        self.processes = processes or Processes()
        if self.processes.world_size > 1 and machine.sync_bn:
            synchronise_batch_norm(detector, device)
        self.detector = to_device(detector, device)
        self.train_index = train_index
        self.phases = phases
        self.settings = settings
        self.device = device
        self.autocast = settings.detect.autocast
        self.optimizer = build_optimizer(
            detector,
            optimization.optimizer,
            optimization.momentum,
            optimization.decay,
            optimization.layer_decay,
            by_stage=any(stages_frozen(phase.frozen) for phase in phases),
        )
        self.schedule = LRSchedule(
            self.optimizer, phases, len(train_index), optimization.warmup_epochs, optimization.lr_decay
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.autocast is torch.float16)
        self.gradients = GradientAccumulator(
            self.detector,
            device,
            self.autocast,
            self.scaler,
            self.processes,
            machine.batch_parts,
            machine.compile,
        )
        self.guard = NonfiniteGuard(self.detector)
        self.ema = EMA(detector, self.schedule.total_steps) if optimization.ema else None
        self.steps, self.lr_factor = 0, 1.0
        self.phase: Phase | None = None
        self.loader: tuple[RecoveringLoader[SampleKey], EpochBatches] | None = None
        self.cache: ImageCache | None = None

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Train on one batch: forward, backward, gradient clipping, optimizer step, EMA.

        Returns the losses by component, and under NONFINITE 1 if the step was skipped, all on the device.
        """
        assert self.phase is not None, "start_epoch comes first"
        self.schedule.set_learning_rates(self.phase, self.steps, self.lr_factor)
        images, targets = batch_to_device(batch, self.device)
        self.guard.start()
        losses = self.processes.mean(self.gradients.forward_backward(images, targets))
        # In float16 gradients overflow now and then, and the scaler skips the step itself.
        scaled = self.scaler.is_enabled()
        nonfinite = self.guard.check(losses, batch.image_numbers, with_gradients=not scaled)
        if not scaled:
            skip_step(self.optimizer, nonfinite)
        if self.settings.optimization.clip:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.detector.parameters(), self.settings.optimization.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.ema is not None:
            self.ema.update()
        self.steps += 1
        counted = torch.where(nonfinite > 0, 0, torch.stack([*losses.values()]))
        return dict(zip(losses, counted, strict=True)) | {NONFINITE: nonfinite}

    def set_phases(self, phases: Sequence[Phase]) -> None:
        """Change the phases of the run from now on; the learning rate and the EMA follow its length."""
        self.phases = phases
        self.schedule.set_phases(phases)
        if self.ema is not None:
            self.ema.set_length(self.schedule.total_steps)

    @property
    def evaluated(self) -> Detector:
        """The model that is evaluated and saved as the best: the EMA if there is one."""
        return self.detector if self.ema is None else self.ema.module

    @property
    def learning_rate(self) -> float:
        """The largest learning rate of the last step: that of the head, unless it is frozen."""
        return max(group["lr"] for group in self.optimizer.param_groups)

    def start_epoch(self, phase: Phase, epoch: int, first_batch: int = 0) -> Iterable[Batch]:
        """Prepare the detector for a phase, and return the batches of an epoch from number `first_batch` on.

        Each phase has its own loader, as worker processes do not see later changes.
        """
        if self.loader is None or not phase.trains_like(self.phase):
            self.loader = None  # ends the workers of the previous phase
            self.loader = self.open_loader(phase)
        self.phase = phase
        loader, sampler = self.loader
        sampler.set_epoch(epoch, first_batch)
        apply_freezing(self.detector, phase)
        self.gradients.start_phase(phase)
        return loader

    def stop_workers(self) -> None:
        """Stop the worker processes that load training images."""
        self.loader = None

    def review_steps(self, state: EpochState) -> list[int]:
        """Report the steps skipped since the last review, and halve the learning rate.

        Returns the numbers of their batches in the epoch. Waits for the device.
        """
        total, recent = state.nonfinite_steps(), self.guard.take_recent()
        if total == state.nonfinite_reported:
            return []
        self.lr_factor /= 2
        here = [number for skipped, numbers in recent if skipped for number in numbers]
        image_numbers = [number for part in self.processes.gather(here) for number in part]
        names = ", ".join(self.train_index.path(number).name for number in image_numbers[:MAX_IMAGES_NAMED])
        print(
            f"skipped {total - state.nonfinite_reported} steps before step {self.steps}: non-finite "
            f"gradients; the learning rate is halved. Their images: {names}"
        )
        state.nonfinite_reported = total
        first = state.batches - len(recent)
        return [first + number for number, (skipped, _) in enumerate(recent) if skipped]

    def require_progress(self, state: EpochState) -> None:
        """ValueError with the fix if training has diverged: all steps, or the last ten, were skipped."""
        if int(self.guard.in_a_row) >= MAX_IN_A_ROW or state.nonfinite_reported == state.batches:
            require_finite({"loss": math.nan}, self.steps, self.learning_rate)

    def epoch_result(self, state: EpochState) -> EpochResult:
        """Return the result of a finished epoch. ValueError with the fix if its loss is not finite."""
        means = state.means()
        require_finite(means, self.steps, self.learning_rate)
        gathered = self.processes.gather((state.unreadable, state.data_wait_seconds / state.seconds))
        return EpochResult(
            losses=means,
            learning_rate=self.learning_rate,
            images_per_second=state.images / state.seconds,
            seconds=state.seconds,
            unreadable=[path for unreadable, _ in gathered for path in unreadable],
            waiting=max(share for _, share in gathered),
            nonfinite_steps=state.nonfinite_reported,
            memory=memory_use(self.device),
        )

    def dataset(self, phase: Phase) -> TrainDataset:
        """Return the training images with the augmentation of a phase."""
        settings, pixels, multi_scale = self.settings, self.detector.pixels, phase.augmentation.multi_scale
        return TrainDataset(
            self.train_index,
            training_sizes(settings.image_size, self.detector.stride, multi_scale, settings.smallest),
            phase.augmentation,
            settings.seed,
            pixels.pad_value,
            pixels.pad_centred,
            color_flip_on_device=self.device.type == "cuda",
            cache=self.cache,
            user_augmentation=settings.user_augmentation,
            balance=settings.balance,
            epoch_images=phase.images,
        )

    def open_loader(self, phase: Phase) -> tuple[RecoveringLoader[SampleKey], EpochBatches]:
        """Return a new loader for a phase, and the sampler that composes its batches."""
        return training_loader(
            self.dataset(phase),
            self.processes.per_process(phase.batch_size),
            self.settings.machine.workers or 0,
            self.device.type == "cuda",
            self.processes.rank,
            self.processes.world_size,
        )

    def whole_batch(self, phase: Phase, epoch: int, number: int) -> Batch:
        """Return batch `number` of an epoch, over all processes; seed, epoch and number determine it."""
        sampler = batches_of(dataset := self.dataset(phase), phase.batch_size)
        sampler.set_epoch(epoch, number)
        return dataset.batch(next(iter(sampler)))

    @contextmanager
    def keeping_images(self, choice: Cache, path: Path) -> Iterator[None]:
        """Cache decoded images by `choice`, on disk in the file `path`, which is removed at the end."""
        self.cache = open_cache(choice, self.train_index, self.dataset(self.phases[0]).reduction, path)
        try:
            yield
        finally:
            self.cache = None
            with suppress(OSError):  # Windows cannot remove a file that workers have open
                path.unlink(missing_ok=True)
