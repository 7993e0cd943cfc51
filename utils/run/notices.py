"""Notices about problems of a run that show in its metrics, with advice.

Each notice is a function of the metrics so far (the columns of metrics.csv) and the conditions of the run:
it returns a sentence with the fix, or None. A run prints each notice once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

History = Mapping[str, Sequence[float]]  # by column, a value per epoch; NaN if missing

LEVEL_EPOCHS = 3  # epochs whose mean is the level of the loss: single epochs are noisy
MIN_SPAN = 5  # epochs, at least, over which the loss should fall
MIN_FALL = 0.01  # share of the loss by which it should fall over them
CLEAR_RISE = 0.2  # share of the loss that counts as a rise
MANY_SKIPPED_STEPS = 3  # fewer may come from single images
LONG_WAIT = 0.2  # share of the time that the device waits for data
LONG_WAIT_ON_CPU = 0.5  # where the CPU that trains also loads data, and is not idle while it does
NEARLY_FULL = 0.95  # share of the GPU memory
MIN_FREE = 0.1  # free memory, as a share of what training uses
LEAK_GIB = 0.25  # growth in LEAK_EPOCHS epochs
LEAK_EPOCHS = 5


@dataclass(frozen=True)
class Conditions:
    """The conditions of a run that its metrics are judged by.

    starts         epochs, counted from 0, at which phases start and the loss may change its level
    warmup_epochs  epochs of learning rate warm-up in a phase
    workers        worker processes that load data
    cores          CPU cores that training may use
    cached         whether decoded images are cached
    """

    starts: tuple[int, ...] = (0,)
    warmup_epochs: float = 0.0
    workers: int = 0
    cores: int = 1
    on_gpu: bool = False
    cached: bool = False


def new_notices(history: History, conditions: Conditions, given: Sequence[str]) -> dict[str, str]:
    """Return the notices that apply and were not `given` before, by name."""
    found = {
        "no targets": no_targets(history),
        "loss not falling": loss_not_falling(history, conditions),
        "learning rate": learning_rate_too_high(history, conditions),
        "starving": starving(history, conditions),
        "memory": memory_nearly_full(history),
        "GPU memory": device_nearly_full(history),
        "leak": leaking(history),
    }
    return {name: text for name, text in found.items() if text is not None and name not in given}


def no_targets(history: History) -> str | None:
    """The notice if no object of the last epoch reached the loss: the box loss is exactly 0."""
    if _newest(history, "loss_box") != 0:
        return None
    return (
        "the box loss is 0: no object of the images was a target, so nothing is learned. The boxes are "
        "missing, are far too small at this --image-size, or fall outside of the images: look at "
        "train_batch.jpg, and run python doctor.py on the data"
    )


def loss_not_falling(history: History, conditions: Conditions) -> str | None:
    """The notice if neither the loss fell nor the mAP rose over the last quarter of the phase so far.

    Compares means over several epochs, without the warm-up, in which the loss need not fall.
    """
    losses = _settled_losses(history, conditions)
    span = max(MIN_SPAN, len(losses) // 4)
    if len(losses) < 2 * span:
        return None
    before, now = _mean(losses[-2 * span : -span]), _mean(losses[-span:])
    maps = _maps_on_newest_data(history)
    best_before, best_now = (_largest(part) for part in (maps[:-span], maps[-span:]))
    if now <= (1 - MIN_FALL) * before or best_now is None or best_before is None or best_now > best_before:
        return None
    return (
        f"the loss has not fallen in {span} epochs ({before:.3f} before, {now:.3f} now), nor has the mAP "
        "risen: if the mAP is good, training has converged, and --patience would stop the next run here; if "
        "it is poor, check the boxes in train_batch.jpg, and try another --lr"
    )


def learning_rate_too_high(history: History, conditions: Conditions) -> str | None:
    """The notice if the loss rises clearly after the warm-up, or steps were skipped again and again."""
    skipped = sum(value for value in history.get("left_out", ()) if not math.isnan(value))
    if skipped >= MANY_SKIPPED_STEPS:
        return (
            f"{skipped:.0f} steps were skipped so far because of non-finite gradients: the learning rate is "
            "too high for this data. It was halved each time; next time start with a smaller --lr, or with "
            "--amp off if this run uses mixed precision"
        )
    losses = _settled_losses(history, conditions)
    if len(losses) < 2 * LEVEL_EPOCHS:
        return None
    levels = [_mean(losses[end - LEVEL_EPOCHS : end]) for end in range(LEVEL_EPOCHS, len(losses) + 1)]
    lowest, now = min(levels), levels[-1]
    # Each of the epochs must be higher, so that a single one does not decide.
    if min(losses[-LEVEL_EPOCHS:]) <= (1 + CLEAR_RISE) * lowest:
        return None
    return (
        f"the loss has risen from {lowest:.3f} to {now:.3f} (means over {LEVEL_EPOCHS} epochs): the learning "
        "rate is probably too high; restart with --lr at a third of its value"
    )


def starving(history: History, conditions: Conditions) -> str | None:
    """The notice if the device waits for data in two epochs in a row: the first one fills caches."""
    shares = history.get("waiting", ())
    alone = conditions.workers == 0 and not conditions.on_gpu
    share = min(shares[-2:], default=0.0) if len(shares) > 1 else 0.0
    if not share > (LONG_WAIT_ON_CPU if alone else LONG_WAIT):
        return None
    fixes = []
    if conditions.workers < conditions.cores - 1:
        fixes.append(f"more --workers (now {conditions.workers}, with {conditions.cores} cores)")
    if not conditions.cached:
        fixes.append("--cache ram or --cache disk, to decode each image only once")
    fixes.append("images resized to about the input size, on a fast disk")
    waits = "loading images takes" if alone else "the device waits for data"
    return f"{waits} {share:.0%} of the time: try {'; '.join(fixes)}"


def memory_nearly_full(history: History) -> str | None:
    """The notice if hardly any memory of the machine is free."""
    held, left = _newest(history, "memory"), _newest(history, "memory_left")
    if held is None or left is None or left > MIN_FREE * held:
        return None
    return (
        f"the memory is nearly full: training uses {held:.1f} GiB, and {left:.1f} GiB are free; the "
        "system may kill it. Use fewer --workers, --cache disk or off, or a smaller batch; --save-steps "
        "limits what is lost"
    )


def device_nearly_full(history: History) -> str | None:
    """The notice if tensors took nearly all of the GPU memory."""
    peak, limit = _newest(history, "gpu_memory"), _newest(history, "gpu_memory_limit")
    if peak is None or limit is None or peak <= NEARLY_FULL * limit:
        return None
    return (
        f"the GPU memory is nearly full: {peak:.1f} of {limit:.1f} GiB; a batch with more objects may not "
        "fit. --batch-parts 2 needs about half, at the same batch size and learning rate"
    )


def leaking(history: History) -> str | None:
    """The notice if memory use grew evenly in each of the last epochs; filling caches slows down."""
    held = list(history.get("memory", ()))[-LEAK_EPOCHS - 1 :]
    growth = [after - before for before, after in pairwise(held)]
    if len(growth) < LEAK_EPOCHS or not sum(growth) > LEAK_GIB or min(growth) < max(growth) / 4:
        return None
    each, left = _mean(growth), _newest(history, "memory_left")
    lasts = "" if left is None else f"; the {left:.1f} GiB free last for {left / each:.0f} more epochs"
    return (
        f"memory use grows every epoch, by {each:.2f} GiB{lasts}. This looks like a memory leak: fewer "
        "--workers slow it down, and stopping and resuming by --resume last frees the memory. Please report "
        "it, with config.json"
    )


def _settled_losses(history: History, conditions: Conditions) -> Sequence[float]:
    """The losses of the current phase after its warm-up."""
    losses = history["loss"]
    start = max((start for start in conditions.starts if start < len(losses)), default=0)
    return losses[start + math.ceil(conditions.warmup_epochs) :]


def _maps_on_newest_data(history: History) -> Sequence[float]:
    """The mAP by epoch, NaN on validation data that was exchanged since: it cannot be compared."""
    maps = history["map50_95"]
    numbers = history.get("val_data", [1] * len(maps))
    return [value if number == numbers[-1] else math.nan for value, number in zip(maps, numbers, strict=True)]


def _newest(history: History, column: str) -> float | None:
    """The last value of a column, None if missing."""
    values = history.get(column, ())
    return values[-1] if values and not math.isnan(values[-1]) else None


def _largest(values: Sequence[float]) -> float | None:
    return max((value for value in values if not math.isnan(value)), default=None)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
