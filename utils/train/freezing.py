"""Freezing of parts of a detector, by name, or of the first N stages of the backbone, as `backbone:N`.

Frozen parameters get no gradient, and so neither weight decay nor momentum; BatchNorm statistics are fixed.
"""

from collections.abc import Sequence

import torch

from nets import Preset, build
from nets.common.detector import PARTS, Detector
from nets.inspect.stages import stages_of


def check_frozen(frozen: Sequence[str], model: Preset) -> None:
    """ValueError with the choices if a name is neither a part nor stages, or if nothing would train."""
    if not frozen:
        raise ValueError("--freeze names nothing: omit it, or use --freeze-epochs 0 to freeze nothing")
    with torch.device("meta"):  # takes neither memory nor time
        stages = stages_of(build(model, 1))
    last = max(stage.number for stage in stages)
    for name in frozen:
        if name not in PARTS and not 0 < stages_frozen([name]) <= last:
            listed = ", ".join(f"{stage.number} {stage.name}" for stage in stages if stage.number)
            raise ValueError(
                f"--freeze {name}: choose from {', '.join(PARTS)}, and backbone:1 to backbone:{last} for "
                f"the first stages of the backbone: {listed}"
            )
    if all(is_frozen(stage.part, stage.number, frozen) for stage in stages):
        raise ValueError(f"--freeze {' '.join(frozen)} leaves nothing to train: remove one of them")


def is_frozen(part: str, stage: int, frozen: Sequence[str]) -> bool:
    """Return whether a part, or a stage of the backbone (counted from 1), is frozen."""
    return part in frozen or (part == "backbone" and 0 < stage <= stages_frozen(frozen))


def stages_frozen(frozen: Sequence[str]) -> int:
    """Return how many of the backbone's first stages `frozen` names; 0 if it names the backbone or none."""
    numbers = [name.removeprefix("backbone:") for name in frozen if name.startswith("backbone:")]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def freeze(detector: Detector, frozen: Sequence[str]) -> None:
    """Freeze the given parts and stages, and put everything else into training mode."""
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
    """Return what trains and what is frozen, for the log."""
    training = [part for part in PARTS if part not in frozen]
    fixed = [part for part in PARTS if part in frozen]
    number = stages_frozen(frozen)
    if number and "backbone" not in frozen:
        training[0] = f"backbone after stage {number}"
        fixed.insert(0, f"backbone up to stage {number}")
    return f"trains {', '.join(training)}; {', '.join(fixed) or 'nothing'} frozen"
