"""The settings of the training loop."""

from dataclasses import dataclass

from utils.inference.detect import DetectSettings
from utils.system.device import Compiling
from utils.train.lr_schedule import Decay
from utils.train.optimizer import OptimizerName


@dataclass(frozen=True)
class TrainSettings:
    """What the loop needs to know beside model, data and phases.

    sync_bn        whether BatchNorm's statistics are of all processes' parts of a batch
    warmup_epochs  how long a part's learning rate rises when it starts to train
    layer_decay    what the rates of parts and stages are multiplied by for each step away from the head
    batch_parts    in how many parts a batch is worked through, one after the other
    clip           largest norm of the gradient; 0 does not clip
    smallest       least side of the input that the model can take
    """

    image_size: tuple[int, int]
    smallest: int
    optimizer: OptimizerName
    momentum: float
    weight_decay: float
    lr_decay: Decay
    warmup_epochs: float
    clip: float
    ema: bool
    seed: int
    workers: int
    detect: DetectSettings
    sync_bn: bool = True
    batch_parts: int = 1
    layer_decay: float = 1.0
    compile: Compiling = "off"
