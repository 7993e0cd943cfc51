"""Which parts of a detector are frozen: names of parts, and `backbone:N` for its first N stages.

Frozen means frozen: no gradient, and so neither weight decay nor momentum, and BatchNorm statistics still.
"""

from collections.abc import Sequence

import torch

from nets import Preset, build
from nets.common.detector import PARTS, Detector
from nets.inspect.stages import stages_of


def check_frozen(frozen: Sequence[str], model: Preset) -> None:
    """ValueError that lists what there is, if a name is none of a part or of stages, or if nothing trains."""
    if not frozen:
        raise ValueError("--freeze names nothing: leave it out, or freeze nothing by --freeze-epochs 0")
    with torch.device("meta"):  # without memory or time
        stages = stages_of(build(model, 1))
    last = max(stage.number for stage in stages)
    for name in frozen:
        if name not in PARTS and not 0 < stages_frozen([name]) <= last:
            listed = ", ".join(f"{stage.number} {stage.name}" for stage in stages if stage.number)
            raise ValueError(
                f"--freeze {name}: choose among {', '.join(PARTS)}, and backbone:1 to backbone:{last} for "
                f"the first stages of the backbone, which are {listed}"
            )
    if all(is_frozen(stage.part, stage.number, frozen) for stage in stages):
        raise ValueError(f"--freeze {' '.join(frozen)} leaves nothing to train: leave one of them out")


def is_frozen(part: str, stage: int, frozen: Sequence[str]) -> bool:
    """Whether a part, or a stage of the backbone by its number from 1 on, is frozen."""
    return part in frozen or (part == "backbone" and 0 < stage <= stages_frozen(frozen))


def stages_frozen(frozen: Sequence[str]) -> int:
    """How many of the first stages of the backbone are named; 0 where it is named as a whole, or not."""
    numbers = [name.removeprefix("backbone:") for name in frozen if name.startswith("backbone:")]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def freeze(detector: Detector, frozen: Sequence[str]) -> None:
    """Put what is frozen to rest, and all else into training."""
    detector.train().requires_grad_(True)
    for part in PARTS:
        if part in frozen:
            detector.parts[part].eval().requires_grad_(False)
    for stage in stages_of(detector) if stages_frozen(frozen) else ():
        if is_frozen(stage.part, stage.number, frozen):
            for module in stage.modules:
                module.eval()
            for parameter in stage.parameters:
                parameter.requires_grad_(False)


def describe_frozen(frozen: Sequence[str]) -> str:
    """What trains and what is frozen, for the log."""
    trains = [part for part in PARTS if part not in frozen]
    rests = [part for part in PARTS if part in frozen]
    number = stages_frozen(frozen)
    if number and "backbone" not in frozen:
        trains[0] = f"backbone after its stage {number}"
        rests.insert(0, f"backbone up to its stage {number}")
    return f"trains {', '.join(trains)}; {', '.join(rests) or 'nothing'} frozen"
