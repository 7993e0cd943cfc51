"""What a person who watches a training would want to be told, found in the figures of its epochs.

Each notice is a function of the epochs so far, the columns of metrics.csv, and of how the run was set up: a
sentence with the fix, or None. A run says each of them once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

History = Mapping[str, Sequence[float]]  # by column, a value an epoch; NaN where there is none

SETTLED = 3  # epochs whose mean counts as the loss's level: single ones jump
LONG = 5  # least epochs over which a loss should fall
FALL = 0.01  # share of the loss that it should fall by over them
RISE = 0.2  # share by which a loss rises clearly
MOST_LEFT_OUT = 3  # steps: single ones come of single images
STARVED = 0.2  # share of the time without images that is worth a word
STARVED_ALONE = 0.5  # where the CPU that trains loads them too, and to load is no idleness
FULL = 0.95  # share of a GPU's memory
SPARE = 0.1  # of what the training holds: less is nearly nothing
LEAK = 0.25  # GiB in LEAK_EPOCHS
LEAK_EPOCHS = 5


@dataclass(frozen=True)
class Conditions:
    """What the figures are judged by.

    starts         epochs, counted from 0, at which phases start: there the loss changes its level
    warmup_epochs  how long the learning rate rises in a phase
    workers        processes that load images
    cores          how many CPU cores this training may use
    cached         whether decoded images are kept
    """

    starts: tuple[int, ...] = (0,)
    warmup_epochs: float = 0.0
    workers: int = 0
    cores: int = 1
    on_gpu: bool = False
    cached: bool = False


def new_notices(history: History, conditions: Conditions, told: Sequence[str]) -> dict[str, str]:
    """The notices that are due and not among those `told` before, by name."""
    found = {
        "loss not falling": loss_not_falling(history, conditions),
        "learning rate": learning_rate_too_high(history, conditions),
        "starving": starving(history, conditions),
        "memory": memory_nearly_full(history),
        "GPU memory": device_nearly_full(history),
        "leak": leaking(history),
    }
    return {name: text for name, text in found.items() if text is not None and name not in told}


def loss_not_falling(history: History, conditions: Conditions) -> str | None:
    """If neither the loss fell nor the mAP rose over a quarter of the phase so far.

    Means of many epochs are compared, and none of the warm-up, in which the loss need not fall.
    """
    losses = _settled_losses(history, conditions)
    span = max(LONG, len(losses) // 4)
    if len(losses) < 2 * span:
        return None
    before, now = _mean(losses[-2 * span : -span]), _mean(losses[-span:])
    maps = history["map50_95"]
    best_before, best_now = (_largest(part) for part in (maps[:-span], maps[-span:]))
    if now <= (1 - FALL) * before or best_now is None or best_before is None or best_now > best_before:
        return None
    return (
        f"the loss has not fallen in {span} epochs ({before:.3f} before, {now:.3f} now), and the mAP has not "
        "risen: if it is good, the training is done, and --patience ends the next by itself; if it is poor, "
        "look at train_batch.jpg, and try another --lr"
    )


def learning_rate_too_high(history: History, conditions: Conditions) -> str | None:
    """If the loss rises clearly after the warm-up, or steps were left out again and again."""
    left_out = sum(value for value in history.get("left_out", ()) if not math.isnan(value))
    if left_out >= MOST_LEFT_OUT:
        return (
            f"{left_out:.0f} steps were left out so far, as their gradients were no numbers: the learning "
            "rate is too high for this data. It was halved each time; a smaller --lr is better from the "
            "start, or --amp off if it was with 16-bit floats"
        )
    losses = _settled_losses(history, conditions)
    if len(losses) < 2 * SETTLED:
        return None
    levels = [_mean(losses[end - SETTLED : end]) for end in range(SETTLED, len(losses) + 1)]
    lowest, now = min(levels), levels[-1]
    if min(losses[-SETTLED:]) <= (1 + RISE) * lowest:  # each of them, so that none decides alone
        return None
    return (
        f"the loss has risen from {lowest:.3f} to {now:.3f} (means of {SETTLED} epochs): the learning rate "
        "is probably too high; start again with --lr at a third of what it was"
    )


def starving(history: History, conditions: Conditions) -> str | None:
    """If the device waits for images, in two epochs after each other: the first fills caches."""
    shares = history.get("waiting", ())
    alone = conditions.workers == 0 and not conditions.on_gpu
    share = min(shares[-2:], default=0.0) if len(shares) > 1 else 0.0
    if not share > (STARVED_ALONE if alone else STARVED):
        return None
    fixes = []
    if conditions.workers < conditions.cores - 1:
        fixes.append(f"more --workers ({conditions.workers} of {conditions.cores} cores load images)")
    if not conditions.cached:
        fixes.append("--cache ram, or --cache disk, to decode each image once only")
    fixes.append("images of about the size of the input, on a fast disk")
    waits = "loading images takes" if alone else "the device waits for images for"
    return f"{waits} {share:.0%} of the time: try {'; '.join(fixes)}"


def memory_nearly_full(history: History) -> str | None:
    """If hardly any memory of the machine is left beside what the training holds."""
    held, left = _newest(history, "memory"), _newest(history, "memory_left")
    if held is None or left is None or left > SPARE * held:
        return None
    return (
        f"the memory is nearly full: training holds {held:.1f} GiB, and {left:.1f} GiB are left; the system "
        "may end it. Fewer --workers, --cache disk or off, or a smaller batch need less; with --save-steps "
        "less is lost"
    )


def device_nearly_full(history: History) -> str | None:
    """If tensors have taken nearly all of the GPU's memory."""
    peak, limit = _newest(history, "gpu_memory"), _newest(history, "gpu_memory_limit")
    if peak is None or limit is None or peak <= FULL * limit:
        return None
    return (
        f"the GPU's memory is nearly full: {peak:.1f} of {limit:.1f} GiB; an image with more objects may "
        "not fit. --batch-parts 2 needs about half, and changes neither batch nor learning rate"
    )


def leaking(history: History) -> str | None:
    """If what the training holds grew in each of the last epochs, and evenly: caches fill ever slower."""
    held = list(history.get("memory", ()))[-LEAK_EPOCHS - 1 :]
    growth = [after - before for before, after in pairwise(held)]
    if len(growth) < LEAK_EPOCHS or not sum(growth) > LEAK or min(growth) < max(growth) / 4:
        return None
    each, left = _mean(growth), _newest(history, "memory_left")
    lasts = "" if left is None else f": the {left:.1f} GiB that are left last {left / each:.0f} more"
    return (
        f"memory grows epoch after epoch, by {each:.2f} GiB each{lasts}. Fewer --workers slow it down; "
        "--resume last goes on with an empty memory after a stop. Please report it, with config.json"
    )


def _settled_losses(history: History, conditions: Conditions) -> Sequence[float]:
    """Losses of the epochs of this phase, without those of the warm-up."""
    losses = history["loss"]
    start = max((start for start in conditions.starts if start < len(losses)), default=0)
    return losses[start + math.ceil(conditions.warmup_epochs) :]


def _newest(history: History, column: str) -> float | None:
    """The last value of a column, None where it is unknown."""
    values = history.get(column, ())
    return values[-1] if values and not math.isnan(values[-1]) else None


def _largest(values: Sequence[float]) -> float | None:
    return max((value for value in values if not math.isnan(value)), default=None)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
