"""NMS as a piece of a graph keeps what `utils.inference.nms` keeps."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.common.structures import Candidates
from utils.export.onnx_nms import nms_graph
from utils.export.onnx_text import parse_graph
from utils.inference.nms import nms
from utils.inference.openvino_runtime import openvino_core


def run(boxes, scores, *settings):
    model = parse_graph(nms_graph(*settings))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"candidate_boxes": boxes.numpy(), "candidate_scores": scores.numpy()})


def test_by_hand():
    """Boxes 0 and 1 of class 0 overlap by 81/119 = .68; 2 lies on 0, but is of class 1; 3 is too weak."""
    boxes = torch.tensor([[[0, 0, 10, 10], [1, 1, 11, 11], [0, 0, 10, 10], [30, 30, 40, 40.0]]])
    scores = torch.tensor([[[0.9, 0.1], [0.8, 0.0], [0.2, 0.7], [0.3, 0.4]]])
    found, values, labels = run(boxes, scores, 0.5, 0.6, 3)
    np.testing.assert_array_equal(labels, [[0, 1, -1]])
    np.testing.assert_allclose(values, [[0.9, 0.7, 0]])
    np.testing.assert_array_equal(found, [[[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0]]])
    assert run(boxes, scores, 0.5, 0.69, 3)[2].tolist() == [[0, 0, 1]], "an overlap that is allowed"
    assert run(boxes, scores, 0.4, 0.69, 3)[2].tolist() == [[0, 0, 1]], "the weakest is one too many"
    assert run(boxes, scores, 0.4, 0.6, 3)[2].tolist() == [[0, 1, 1]], "as good as the threshold is enough"


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    anchors=st.integers(1, 60),
    classes=st.integers(1, 4),
    confidence=st.sampled_from([0.0, 0.05, 0.3, 0.5, 1.0]),
    iou=st.sampled_from([0.05, 0.3, 0.5, 0.9, 1.0]),
    most=st.integers(1, 70),
    seed=st.integers(0, 1000),
)
def test_the_same_as_ours_with_ties_and_negative_boxes(batch, anchors, classes, confidence, iou, most, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, anchors, 2, generator=generator) * 60 - 20
    sides = torch.rand(batch, anchors, 2, generator=generator) * 40
    scores = (torch.rand(batch, anchors, classes, generator=generator) * 20).round() / 20
    boxes = torch.cat((corner, corner + sides), dim=-1)
    same_as_ours(boxes, scores, confidence, iou, most)


def test_more_candidates_than_are_looked_at():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2, 1500, 2, generator=generator) * 4000
    boxes = torch.cat((corner, corner + 20), dim=-1)
    same_as_ours(boxes, torch.rand(2, 1500, 3, generator=generator), 0.0, 0.5, 2000)


def same_as_ours(boxes, scores, confidence, iou, most):
    found, values, labels = run(boxes, scores, confidence, iou, most)
    kept = nms(Candidates(boxes, scores), confidence, iou, most)
    assert len(kept) == len(found)
    for image, ours in enumerate(kept):
        number = len(ours.scores)
        np.testing.assert_array_equal(labels[image, :number], ours.labels)
        np.testing.assert_array_equal(values[image, :number], ours.scores)
        np.testing.assert_array_equal(found[image, :number], ours.boxes)
        assert (labels[image, number:] == -1).all() and not values[image, number:].any()
        assert not found[image, number:].any()


def test_openvino_too(tmp_path):
    """It breaks ties as it likes, so there are none here."""
    pytest.importorskip("openvino")
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(2, 300, 2, generator=generator) * 100
    boxes = torch.cat((corner, corner + 40), dim=-1)
    scores = torch.rand(2, 300, 3, generator=generator)
    onnx.save(parse_graph(nms_graph(0.3, 0.4, 50)), tmp_path / "nms.onnx")
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    network = openvino_core().compile_model(tmp_path / "nms.onnx", "CPU", precision)
    outputs = network([boxes.numpy(), scores.numpy()])
    for number, ours in enumerate(run(boxes, scores, 0.3, 0.4, 50)):
        np.testing.assert_array_equal(outputs[number], ours)
