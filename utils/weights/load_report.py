"""Reports which tensors of a weights file were loaded into a detector, part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from nets.common.detector import PARTS
from utils.weights.class_transfer import ClassLayer, ClassTransfer

MAX_NAMES_PRINTED = 3  # per kind; the `LoadReport` has all


@dataclass(frozen=True)
class PartReport:
    """What was loaded into one part of a detector, as tensor names in the detector's order.

    loaded      tensors loaded entirely
    by_class    class layers with only the rows of transferred classes loaded
    missing     tensors that are not in the file
    mismatched  tensor name -> (shape in the file, shape in the detector)
    """

    loaded: tuple[str, ...]
    by_class: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    loaded_parameters: int
    parameters: int

    @property
    def tensors(self) -> int:
        return len(self.loaded) + len(self.by_class) + len(self.missing) + len(self.mismatched)


@dataclass(frozen=True)
class LoadReport:
    """What was loaded from a file.

    parts            reports by part: backbone, neck, head
    unused           tensor names in the file that the detector does not have
    classes_carried  our classes whose rows were transferred by name; None if the file's classes are unknown,
                     and class layers were loaded by position or not at all
    classes_fresh    our classes that the file does not have
    by_order         parts with other tensor names in the file, matched by order and shape
    """

    parts: Mapping[str, PartReport]
    unused: tuple[str, ...]
    classes_carried: tuple[str, ...] | None
    classes_fresh: tuple[str, ...]
    by_order: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every tensor of the detector was loaded, and no tensor of the file is unused."""
        return not self.unused and all(len(part.loaded) == part.tensors for part in self.parts.values())

    def text(self) -> str:
        """Return a short table to print."""
        lines = []
        for name, part in self.parts.items():
            order = ", by order and shape: the names differ" if name in self.by_order else ""
            lines.append(f"{name:<9} loaded {_counts(part)}{order}")
            lines += [f"          {line}" for line in problems(part)]
        if self.classes_carried is not None:
            lines.append(f"classes transferred: {shortened(self.classes_carried, 20)}")
        if self.classes_fresh:
            lines.append(f"new classes, not in the file: {shortened(self.classes_fresh, 20)}")
        if self.unused:
            lines.append(f"not used: {len(self.unused)} tensors of the file ({shortened(self.unused)})")
        return "\n".join(lines)


def report_fit(
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    transfer: ClassTransfer | None,
    class_names: Sequence[str],
    by_order: Sequence[str] = (),
) -> LoadReport:
    """Report what loading `theirs` into `ours` would load; with `transfer`, class layers by class name."""
    parts = {}
    for part in PARTS:
        tensors = {name: value for name, value in ours.items() if name.startswith(part + ".")}
        parts[part] = _compare_part(tensors, theirs, transfer)
    unused = tuple(name for name in theirs if name not in ours)
    carried = None if transfer is None else tuple(class_names[row] for row in transfer.target)
    fresh = () if carried is None else tuple(name for name in class_names if name not in carried)
    return LoadReport(parts, unused, carried, fresh, tuple(by_order))


def _compare_part(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], transfer: ClassTransfer | None
) -> PartReport:
    loaded: list[str] = []
    by_class: list[str] = []
    missing: list[str] = []
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    loaded_parameters = 0
    for name, value in ours.items():
        layer = transfer.layers.get(name) if transfer else None
        if name not in theirs:
            missing.append(name)
        elif not _fits(theirs[name], value, layer):
            mismatched[name] = (tuple(theirs[name].shape), tuple(value.shape))
        else:
            rows = transfer.rows(layer) if transfer and layer else None
            (loaded if rows is None or rows == len(value) else by_class).append(name)
            loaded_parameters += value.numel() if rows is None else rows * value[0].numel()
    parameters = sum(value.numel() for value in ours.values())
    return PartReport(
        tuple(loaded), tuple(by_class), tuple(missing), mismatched, loaded_parameters, parameters
    )


def _fits(theirs: Tensor, ours: Tensor, layer: ClassLayer | None) -> bool:
    """Return whether the shapes are equal, apart from the number of classes of a class layer."""
    if layer is None:
        return theirs.shape == ours.shape
    return theirs.ndim == ours.ndim and theirs.shape[1:] == ours.shape[1:] and layer.fits(len(theirs))


def problems(part: PartReport) -> list[str]:
    """Return one line per kind of tensor that was not loaded entirely."""
    shapes = [
        f"{name} {list(theirs)} in the file, {list(ours)} here"
        for name, (theirs, ours) in part.mismatched.items()
    ]
    kinds = (
        ("loaded in part, class by class", part.by_class),
        ("not in the file", part.missing),
        ("of another shape", shapes),
    )
    return [f"{len(names)} {kind}: {shortened(names)}" for kind, names in kinds if names]


def shortened(names: Sequence[str], shown: int = MAX_NAMES_PRINTED) -> str:
    """Return the first names and the number of further ones as text."""
    more = [f"and {len(names) - shown} more"] if len(names) > shown else []
    return ", ".join([*names[:shown], *more]) or "none"


def _counts(part: PartReport) -> str:
    millions = f"{part.loaded_parameters / 1e6:.2f} M of {part.parameters / 1e6:.2f} M parameters"
    return f"{len(part.loaded)} of {part.tensors} tensors ({millions})"
