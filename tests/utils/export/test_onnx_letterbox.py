"""The letterbox as a piece of a graph does what `utils.images.letterbox` does."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nets.common.preprocess import PixelFormat
from utils.export.onnx_letterbox import letterbox_graph, original_graph
from utils.export.onnx_text import parse_graph, put_after
from utils.images.letterbox import letterbox

TARGET = (40, 64)


def session_of(centred):
    """A graph that letterboxes, and then only moves boxes back: they are an input of it."""
    model = parse_graph(letterbox_graph(TARGET, PixelFormat(pad_value=77, pad_centred=centred)))
    put_after(model, original_graph())
    found = parse_graph(original_graph())
    model.graph.input.extend(found.graph.input)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString())


SESSIONS = {centred: session_of(centred) for centred in (False, True)}


def run(session, image, boxes, labels):
    boxes = np.asarray(boxes, np.float32)[None]
    scores = np.full((1, len(labels)), 0.5, np.float32)
    feed = {"image": image, "nms_boxes": boxes, "nms_scores": scores, "nms_labels": np.array([labels])}
    return session.run(None, feed)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 150), width=st.integers(1, 150), centred=st.booleans(), seed=st.integers(0, 99))
@example(height=40, width=64, centred=True, seed=0)
@example(height=2000, width=1, centred=True, seed=0)
def test_pixels_and_boxes(height, width, centred, seed):
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 1)
    expected, plan = letterbox(image, TARGET, 77, centred)
    given_boxes = rng.uniform(-5, 70, (6, 4)).astype(np.float32)
    images, boxes, scores, labels = run(SESSIONS[centred], image, given_boxes, [0, 1, 2, 3, 4, -1])
    difference = np.abs(images[0].transpose(1, 2, 0).astype(int) - expected)
    assert difference.max() <= 1, "OpenCV rounds otherwise"
    np.testing.assert_allclose(boxes[0], plan.inverse(given_boxes), atol=1e-4 * max(height, width))
    empty = (boxes[0, :, 2:] <= boxes[0, :, :2]).any(axis=1)
    np.testing.assert_array_equal(labels[0], np.where(empty, -1, [0, 1, 2, 3, 4, -1]))
    np.testing.assert_array_equal(scores[0], np.where(empty, 0, np.float32(0.5)))


@pytest.mark.parametrize("centred", [False, True])
def test_an_image_of_the_right_size_stays_as_it_is(centred):
    image = np.random.default_rng(0).integers(0, 256, (*TARGET, 3), dtype=np.uint8)
    images, boxes, _, _ = run(SESSIONS[centred], image, [[1, 2, 3, 4]], [0])
    np.testing.assert_array_equal(images[0].transpose(1, 2, 0), image)
    np.testing.assert_array_equal(boxes[0], [[1, 2, 3, 4]])
