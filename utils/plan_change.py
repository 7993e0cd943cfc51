"""What may change when a run goes on: how long and how it trains, but not what it trains."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

WHY_NOT = {
    "another network is another run": ("model", "backbone", "neck", "head", "anchors"),
    "the network's outputs are those classes": ("classes",),
    "a run has its weights since it was started": ("weights",),
    "figures before and after could not be compared": ("image_size", "val"),
    "the state of one optimizer means nothing to another": ("optimizer",),
    "the average is one over the whole run": ("ema",),
    "the order of the pictures follows from it": ("seed",),
}
NOT_OF_THE_PLAN = ("resume", "name", "output", "preview", "summary")


def plan_changes(before: Mapping[str, Any], after: Mapping[str, Any], folder: Path) -> list[str]:
    """The settings that are no longer what the run in `folder` had, each as "--epochs 10 -> 20".

    ValueError with the reason and the way out for those that cannot change within a run.
    """
    changed = [
        name
        for name in after
        if name not in NOT_OF_THE_PLAN and name in before and before[name] != after[name]
    ]
    shown = {name: (_flag(name), _text(before[name]), _text(after[name])) for name in changed}
    for reason, names in WHY_NOT.items():
        for name in set(names) & shown.keys():
            flag, was, wanted = shown[name]
            raise ValueError(
                f"{flag} cannot change from {was} to {wanted} within a run: {reason}. Leave it out, or start "
                f"a new run with --weights {folder / 'last.pt'}"
            )
    return [f"{flag} {was} -> {wanted}" for flag, was, wanted in shown.values()]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "automatic" if value is None else str(value)
