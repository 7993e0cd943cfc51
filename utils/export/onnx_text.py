"""Pieces of ONNX graphs, written in ONNX's own text form, joined to the graph of a network.

https://github.com/onnx/onnx/blob/main/docs/Syntax.md. A piece names the values that it takes as the network
names its outputs, and the other way round; all other names in it are its own.
"""

from typing import Any

OPSET = 18  # the first in which all reductions take their axes alike; TensorRT, OpenVINO and others read it
IR_VERSION = 10


def parse_graph(text: str) -> Any:
    """The model that a text says, on its own; a ParseError of `onnx` if it is none."""
    from onnx import parser

    return parser.parse_model(f'<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>\n{text}')


def put_before(model: Any, text: str) -> None:
    """Let a piece make the input of `model`, which has one; its inputs are the model's from then on."""
    piece = parse_graph(text).graph
    nodes = [*piece.node, *model.graph.node]
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(piece.initializer)
    model.graph.input.extend(piece.input)


def put_after(model: Any, text: str) -> None:
    """Let a piece go on from outputs of `model`; its outputs are added to the model's."""
    piece = parse_graph(text).graph
    model.graph.node.extend(piece.node)
    model.graph.initializer.extend(piece.initializer)
    model.graph.output.extend(piece.output)


def number(value: float) -> str:
    """A float as the text form writes it."""
    return f"{value:.9g}"
