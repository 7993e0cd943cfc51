"""Summaries of a model's parts and cost as text: short for the training log, or in full."""

from collections.abc import Mapping, Sequence

import torch

from nets import Preset, build
from nets.common.detector import PARTS
from nets.common.structures import Level
from nets.inspect.receptive_field import Extent, receptive_fields
from nets.inspect.summary import Summary, summarise
from utils.data.summary import align_columns
from utils.data.types import Size

NOTES = """
layers       convolutions, and other modules with a weight matrix
GFLOPs       1e9 operations for one image; a multiplication and an addition are two
activations  all outputs of the modules, in float32; training keeps most of them until the backward pass,
             for each image of a batch
cells        grid of a feature level, rows x columns; a cell is as many pixels of the input wide as the stride
sees         receptive field: pixels of the input, height x width, that a prediction in the middle can depend
             on, measured on the network; pixels near its centre count far more"""


def short_summary(model: Preset, num_classes: int, image_size: Size) -> str:
    """Return the cost by part, and the feature levels, in a few lines for the log."""
    summary = _summary(model, num_classes, image_size)
    levels = ", ".join(f"{level.stride} ({level.rows} x {level.columns})" for level in summary.levels)
    strides = f"\nstrides of the feature levels, and their cells: {levels}" if levels else ""
    return f"{_title(model, num_classes, image_size)}\n{_part_table(summary)}{strides}"


def full_summary(model: Preset, num_classes: int, image_size: Size) -> str:
    """Return part names, cost by part, feature levels with receptive fields, and the columns explained."""
    summary = _summary(model, num_classes, image_size)
    fields: Sequence[Extent | None] | None
    try:
        with torch.device("meta"):
            detector = build(model, num_classes)
        fields = receptive_fields(detector)
    except Exception:  # a custom network may raise anything; everything else is still useful
        fields = None
    parts = ", ".join(f"{part} {getattr(model, part)}" for part in PARTS)
    blocks = [f"{_title(model, num_classes, image_size)}\n{parts}", _part_table(summary)]
    if summary.levels:
        blocks.append(_level_table(summary.levels, fields))
    return "\n\n".join(blocks) + "\n" + NOTES


def _summary(model: Preset, num_classes: int, image_size: Size) -> Summary:
    try:
        with torch.device("meta"):  # shapes are enough for most networks, and cost no memory and no time
            return summarise(build(model, num_classes), image_size)
    except RuntimeError:  # some networks need actual values
        with torch.random.fork_rng(devices=[]):
            return summarise(build(model, num_classes), image_size)


def _title(model: Preset, num_classes: int, image_size: Size) -> str:
    return f"{model.name} for {num_classes} classes, one image of {image_size[0]} x {image_size[1]}:"


def _part_table(summary: Summary) -> str:
    rows = [("", "layers", "parameters", "GFLOPs", "activations")]
    rows += [
        (part, str(layers), f"{parameters / 1e6:.2f} M", f"{gflops:.2f}", f"{size / 1e6:.0f} MB")
        for part, layers, parameters, gflops, size in _costs(summary)
    ]
    return align_columns(rows)


def _costs(summary: Summary) -> list[tuple[str, float, float, float, float]]:
    """Return layers, parameters, GFLOPs and bytes of activations, for each part and in total."""
    columns: list[Mapping[str, float]] = [*summary[:4]]
    rows = [(part, *(column[part] for column in columns)) for part in PARTS]
    return [*rows, ("all", *(sum(column.values()) for column in columns))]  # type: ignore[list-item]


def _level_table(levels: Sequence[Level], fields: Sequence[Extent | None] | None) -> str:
    rows = [("level", "stride", "cells", "sees")]
    for number, level in enumerate(levels):
        seen = "not known" if fields is None else _extent(fields[number])
        rows.append((str(number + 1), str(level.stride), f"{level.rows} x {level.columns}", seen))
    return align_columns(rows)


def _extent(field: Extent | None) -> str:
    return "the whole image" if field is None else f"{field[0]} x {field[1]}"
