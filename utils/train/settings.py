"""The settings of training, in groups that become flags of train.py: help, default and range in one place."""

from dataclasses import dataclass, field, replace
from typing import Literal

from utils.augment.user_augmentation import UserAugmentation
from utils.data.types import Size
from utils.inference.detect import DetectSettings
from utils.loader.image_cache import Cache
from utils.system.device import Amp, Compiling
from utils.system.settings import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OpenFraction,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
)
from utils.train.defaults import DEFAULT_LEARNING_RATE, DEFAULT_WEIGHT_DECAY
from utils.train.optimizer import OptimizerName

Decay = Literal["cosine", "step", "constant"]


@dataclass(frozen=True)
class PhaseSettings:
    """The epochs and batch sizes of a run, and what is frozen at first."""

    epochs: PositiveInt | None = None  # training epochs; default: depends on the number of images
    minutes: PositiveFloat | None = None  # length of the run in minutes, instead of --epochs
    freeze_epochs: NonNegativeInt | None = None  # frozen epochs, at first; default: 1/5 of all, or 0
    freeze: tuple[str, ...] = ("backbone",)  # backbone, neck, head, or backbone:N (its first N stages)
    batch_size: PositiveInt | Literal["auto"] = 8  # images per step; auto: the fastest that fits into memory
    freeze_batch_size: PositiveInt | Literal["auto"] = 16  # the same while frozen; auto: twice --batch-size
    clean_share: Fraction = 0.3  # final fraction of epochs without mosaic, mixup, copy-paste and cutout


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimizer, the learning rate schedule and the EMA of the weights."""

    optimizer: OptimizerName = "muon"  # optimizer: muon, adamw or sgd
    lr: PositiveFloat | None = None  # peak learning rate for batch size 64; default: per optimizer
    layer_decay: PositiveFraction = 1.0  # layer-wise learning rate decay: factor per stage away from the head
    momentum: OpenFraction = 0.9  # momentum of SGD and Muon, beta1 of AdamW
    weight_decay: float | None = None  # weight decay (not on BatchNorm or biases); default: per optimizer
    lr_decay: Decay = "cosine"  # learning rate schedule: cosine, step or constant
    warmup_epochs: NonNegativeFloat = 1.0  # warm-up epochs, at the start and after unfreezing
    clip: NonNegativeFloat = 0.0  # gradient clipping: maximum norm; 0: off
    ema: bool = True  # evaluate and save an exponential moving average (EMA) of the weights

    def complete(self) -> "OptimizerSettings":
        """Return the settings with default learning rate and weight decay where none is set."""
        return replace(self, lr=self.peak_lr, weight_decay=self.decay)

    @property
    def peak_lr(self) -> float:
        """The learning rate for a batch size of 64."""
        return DEFAULT_LEARNING_RATE[self.optimizer] if self.lr is None else self.lr

    @property
    def decay(self) -> float:
        """The weight decay."""
        return DEFAULT_WEIGHT_DECAY[self.optimizer] if self.weight_decay is None else self.weight_decay


@dataclass(frozen=True)
class MachineSettings:
    """How the machine is used: affects speed, and results only by rounding."""

    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # mixed precision: auto (where it is fast), off, bf16 or fp16
    workers: NonNegativeInt | None = None  # data loading processes; default: chosen by measurement
    cache: Cache = "auto"  # cache of decoded images: ram, disk, off, or auto (ram if they fit)
    batch_parts: PositiveInt = 1  # gradient accumulation: parts per batch; raised where memory runs out
    sync_bn: bool = True  # synchronised BatchNorm: batch statistics of all processes
    compile: Compiling = "off"  # torch.compile: off, on, or graphs (with CUDA graphs, on a GPU)
    deterministic: bool = False  # only deterministic GPU kernels, even if slower


@dataclass(frozen=True)
class TrainSettings:
    """What a `Trainer` needs besides the model, the data and the phases.

    smallest           smallest side of an input that the model accepts
    balance            threshold of repeat-factor sampling, see utils/loader/balance.py
    user_augmentation  the user's own augmentation, run after all others
    """

    image_size: Size
    smallest: int
    seed: int = 0
    balance: float = 0.0
    user_augmentation: UserAugmentation | None = None
    detect: DetectSettings = field(default_factory=DetectSettings)
    optimization: OptimizerSettings = OptimizerSettings()
    machine: MachineSettings = MachineSettings()
