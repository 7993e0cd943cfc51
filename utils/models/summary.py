"""What a model is made of and what it costs, as text: for the log of a training, and at length."""

from collections.abc import Mapping, Sequence

import torch

from nets import Preset, build
from nets.common.detector import PARTS
from nets.common.structures import Level
from nets.inspect.receptive_field import Extent, receptive_fields
from nets.inspect.summary import Summary, summarise

NOTES = """
layers       convolutions, and other modules with a matrix of weights
GFLOPs       1e9 operations for one image; a multiplication and an addition are two
activations  all outputs of the modules, as 32-bit floats; training keeps most of them until the gradient
             is computed, for each image of a batch
cells        at which a level predicts, rows x columns, each as many pixels of the input wide as the stride
sees         pixels of the input, height x width, that a prediction in the middle can depend on at all;
             those around its centre count far more. Measured on the network's own connections"""


def short_summary(model: Preset, num_classes: int, image_size: tuple[int, int]) -> str:
    """Figures by part and the levels, in a few lines for the log."""
    summary = _summary(model, num_classes, image_size)
    levels = ", ".join(f"{level.stride} ({level.rows} x {level.columns})" for level in summary.levels)
    strides = f"\nstrides of the levels, and their cells: {levels}" if levels else ""
    return f"{_title(model, num_classes, image_size)}\n{_part_table(summary)}{strides}"


def full_summary(model: Preset, num_classes: int, image_size: tuple[int, int]) -> str:
    """The same with the parts' names, what each level sees, and what the figures mean."""
    summary = _summary(model, num_classes, image_size)
    fields: Sequence[Extent | None] | None
    try:
        with torch.device("meta"):
            detector = build(model, num_classes)
        fields = receptive_fields(detector)
    except Exception:  # a foreign network raises whatever it likes; all other figures are still of use
        fields = None
    parts = ", ".join(f"{part} {getattr(model, part)}" for part in PARTS)
    blocks = [f"{_title(model, num_classes, image_size)}\n{parts}", _part_table(summary)]
    if summary.levels:
        blocks.append(_level_table(summary.levels, fields))
    return "\n\n".join(blocks) + "\n" + NOTES


def _summary(model: Preset, num_classes: int, image_size: tuple[int, int]) -> Summary:
    try:
        with torch.device("meta"):  # shapes are all that most networks need: no memory, no time
            return summarise(build(model, num_classes), image_size)
    except RuntimeError:  # some compute one thing or another by the numbers themselves
        with torch.random.fork_rng(devices=[]):
            return summarise(build(model, num_classes), image_size)


def _title(model: Preset, num_classes: int, image_size: tuple[int, int]) -> str:
    return f"{model.name} for {num_classes} classes, one image of {image_size[0]} x {image_size[1]}:"


def _part_table(summary: Summary) -> str:
    rows = [("", "layers", "parameters", "GFLOPs", "activations")]
    rows += [
        (part, str(layers), f"{parameters / 1e6:.2f} M", f"{gflops:.2f}", f"{size / 1e6:.0f} MB")
        for part, layers, parameters, gflops, size in _figures(summary)
    ]
    return _aligned(rows)


def _figures(summary: Summary) -> list[tuple[str, float, float, float, float]]:
    """Layers, parameters, GFLOPs and bytes of each part, and of all."""
    columns: list[Mapping[str, float]] = [*summary[:4]]
    rows = [(part, *(column[part] for column in columns)) for part in PARTS]
    return [*rows, ("all", *(sum(column.values()) for column in columns))]  # type: ignore[list-item]


def _level_table(levels: Sequence[Level], fields: Sequence[Extent | None] | None) -> str:
    rows = [("level", "stride", "cells", "sees")]
    for number, level in enumerate(levels):
        seen = "not known" if fields is None else _extent(fields[number])
        rows.append((str(number + 1), str(level.stride), f"{level.rows} x {level.columns}", seen))
    return _aligned(rows)


def _extent(field: Extent | None) -> str:
    return "the whole image" if field is None else f"{field[0]} x {field[1]}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is flush left and the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)
