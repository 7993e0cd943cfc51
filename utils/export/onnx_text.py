"""Joins graphs written in ONNX's text syntax to the graph of a network.

https://github.com/onnx/onnx/blob/main/docs/Syntax.md. Inputs of an appended graph have the names of the
network's outputs, outputs of a prepended graph the name of the network's input; other names must be unique.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18  # the first in which all reductions take axes as an input; TensorRT, OpenVINO and others read it
IR_VERSION = 8  # the lowest that has opset 18; ONNX Runtime before 1.18 reads no version above 9


def parse_graph(text: str) -> "ModelProto":
    """Parse a graph in text form into a model; `onnx.parser.ParseError` if the syntax is wrong."""
    from onnx import parser

    return parser.parse_model(f'<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>\n{text}')


def put_before(model: "ModelProto", text: str) -> None:
    """Prepend the graph in `text`, which computes the only input of `model` from inputs of its own."""
    added = parse_graph(text).graph
    nodes = [*added.node, *model.graph.node]
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(added.initializer)
    model.graph.input.extend(added.input)


def put_after(model: "ModelProto", text: str) -> None:
    """Append the graph in `text`, which reads outputs of `model`, and add the graph's outputs to `model`."""
    added = parse_graph(text).graph
    model.graph.node.extend(added.node)
    model.graph.initializer.extend(added.initializer)
    model.graph.output.extend(added.output)


def float_text(value: float) -> str:
    """Return a float in ONNX's text syntax."""
    return f"{value:.9g}"
