"""BatchNorm statistics of the evaluated weights, measured anew on training images.

Running statistics follow the weights over dozens of steps, and the average of the weights takes over those
that lag behind: in runs of 20 steps good weights were evaluated with the statistics of other weights. This is
the "precise BatchNorm" of Wu and Johnson, Rethinking "Batch" in BatchNorm, https://arxiv.org/abs/2105.07576
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor, nn

from utils.loader.batch import batch_to_device
from utils.loader.samplers import batches_of
from utils.system.device import autocasting
from utils.system.distributed import Processes
from utils.train.trainer import Trainer

# mAP50-95 on validation data of yolox_nano from COCO weights, without and with this. 50 images, 224 pixels,
# in 4 epochs, 21 steps: BCCD .007 and .215, boards .095 and .178, chess .012 and .022, pears .010 and .141.
# In 12 epochs with another seed: BCCD .363 and .396, chess .133 and .142, boards .319 and .309. All images,
# 416 pixels, measured on 200: pears .433 and .448; BCCD .190 and .530 just after unfreezing, .615 and .610 at
# the end. Measured on images without augmentation: pears .412, BCCD in 12 epochs .374. With a momentum of .1
# instead: BCCD in 4 epochs .164, boards .157, chess .026, pears .115; with BatchNorm frozen throughout BCCD
# in 12 epochs .124. 200 images make an epoch of 121 a quarter longer; with the 50 images above 32 were
# enough.
MEASURED_IMAGES = 64
# Batches are larger than in training, for which there is memory without gradients: in evaluation each layer
# gets inputs normalised by the statistics of all images, not by those of the batch it was measured with.
LARGER_BATCHES = 4
# Running statistics of momentum 0.03 have by then forgotten where they started. BCCD after 198 steps with 50
# images: .515 by running statistics, .504 measured. After 300 steps with all images, on the test split: .606
# by running statistics, .596 measured to the end, .604 measured in the first 200 steps.
SETTLED_STEPS = 200
BatchNorm = nn.modules.batchnorm._BatchNorm  # all kinds, also PyTorch's synchronised one


def measure_batch_norm(trainer: Trainer, epoch: int) -> None:
    """Measure the statistics of the model that is evaluated, on the first images of an epoch.

    Those of frozen layers stay; all stay once training has gone on for `SETTLED_STEPS`. All processes call
    this.
    """
    phase, processes = trainer.phase, trainer.processes
    layers = updated_layers(trainer.detector)
    if phase is None or not layers or steps_trained(trainer) > SETTLED_STEPS:
        return
    dataset, number = trainer.dataset(phase), processes.world_size
    in_training = math.ceil(phase.batch_size / trainer.gradients.parts)
    images = min(MEASURED_IMAGES, len(dataset))
    batches = math.ceil(images / (LARGER_BATCHES * in_training))
    batch_size = max(1, images // (batches * number))
    sampler = batches_of(dataset, batch_size, processes.rank, number)
    sampler.set_epoch(epoch)
    pixels = (batch_to_device(dataset.batch(keys), trainer.device)[0] for keys in islice(sampler, batches))
    with autocasting(trainer.device, trainer.autocast):
        measure_statistics(trainer.evaluated, layers, pixels, processes)


def steps_trained(trainer: Trainer) -> int:
    """Return the steps since a part was last unfrozen, or since the start."""
    started = [step for step in trainer.schedule.first_steps if step < trainer.steps]
    return trainer.steps - max(started, default=0)


def updated_layers(model: nn.Module) -> list[str]:
    """Return the names of the BatchNorm layers whose statistics training updates; frozen ones keep theirs."""
    return [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, BatchNorm) and layer.training and layer.track_running_stats
    ]


@torch.no_grad()
def measure_statistics(
    model: nn.Module,
    names: Sequence[str],
    batches: Iterable[Tensor],
    processes: Processes,
) -> None:
    """Replace the statistics of the layers `names` by those over the batches, and over all processes.

    Variances are those over all images: the mean within batches, and what their means differ by.
    """
    layers = [layer for name in names if isinstance(layer := model.get_submodule(name), BatchNorm)]
    sums = [torch.zeros(3, layer.num_features, device=_mean(layer).device) for layer in layers]
    count = 0
    with _keeping_last_batch(layers):
        for images in batches:
            model(images)
            count += 1
            for total, layer in zip(sums, layers, strict=True):
                total += torch.stack([_mean(layer), _mean(layer).square(), _variance(layer)])
    means = processes.mean({"all": torch.cat(sums, dim=1) / count})["all"]
    by_layer = means.split([layer.num_features for layer in layers], dim=1)
    for (mean, square, variance), layer in zip(by_layer, layers, strict=True):
        _mean(layer).copy_(mean)
        _variance(layer).copy_(variance + (square - mean.square()).clamp(min=0.0))


@contextmanager
def _keeping_last_batch(layers: Sequence[BatchNorm]) -> Iterator[None]:
    """Make the running statistics of the layers those of the last batch."""
    before = [(layer.momentum, layer.training) for layer in layers]
    for layer in layers:
        layer.train()
        layer.momentum = 1.0
    try:
        yield
    finally:
        for layer, (momentum, training) in zip(layers, before, strict=True):
            layer.momentum = momentum
            layer.train(training)


def _mean(layer: BatchNorm) -> Tensor:
    assert layer.running_mean is not None
    return layer.running_mean


def _variance(layer: BatchNorm) -> Tensor:
    assert layer.running_var is not None
    return layer.running_var
