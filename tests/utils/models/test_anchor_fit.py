"""Which advice and which line in the log follow from which fit."""

import numpy as np
import pytest

from nets import preset
from utils.data.index import ImageRecord, build_index
from utils.models.anchor_fit import advice, fit_line, fit_text
from utils.models.anchor_kmeans import AnchorFit


def index_of(*boxes, size=(416, 416)):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return build_index([ImageRecord("a.jpg", boxes, np.zeros(len(boxes), np.int32), size=size)], ["a"])


@pytest.mark.parametrize(
    ("before", "after", "beginning"),
    [
        (
            AnchorFit(0.97, 0.60),
            AnchorFit(0.9901, 0.60),
            "Use the new anchors (recall +2.0 points, mean IoU +0.000)",
        ),
        (AnchorFit(1.00, 0.60), AnchorFit(1.000, 0.66), "Use the new anchors to train from scratch"),
        (AnchorFit(0.98, 0.60), AnchorFit(0.995, 0.64), "Keep the model's own anchors (recall +1.5 points"),
        (AnchorFit(1.00, 0.60), AnchorFit(0.900, 0.55), "Keep the model's own anchors (recall -10.0 points"),
    ],
)
def test_advice(before, after, beginning):
    assert advice(before, after).startswith(beginning)


def test_the_line_of_a_training():
    """Two boxes that are anchors of YOLOv3, 10 x 13 and 373 x 326: nothing fits better."""
    index = index_of((0, 0, 10, 13), (0, 0, 373, 326))
    expected = "anchors: 100.0 % of the boxes have an anchor within a factor of 4, mean IoU 1.000"
    assert fit_line(index, preset("yolov3"), (416, 416)) == expected
    assert fit_text(AnchorFit(1.0, 1.0)) in expected


def test_a_poor_fit_names_the_script():
    """On half the size: 5 x 6.5 is still within 4 of 10 x 13; 500 x 2 is not."""
    poor = fit_line(index_of((0, 0, 10, 13), (0, 0, 400, 1)), preset("yolov3"), (208, 208))
    assert "50.0 % of the boxes" in poor and "kmeans_anchors.py" in poor
    thin = fit_line(index_of((0, 0, 5, 6)), preset("yolov3"), (416, 416))  # within 4, but 30 / 130 overlap
    assert "100.0 %" in thin and "mean IoU 0.231" in thin and "kmeans_anchors.py" in thin


def test_boxes_too_small_for_default_boxes():
    """ssdlite320's smallest is a fifth of the input: 83.2 pixels of 416. One box in three is below half."""
    line = fit_line(
        index_of((0, 0, 41, 41), (0, 0, 41, 42), (0, 0, 200, 90)), preset("ssdlite320"), (416, 416)
    )
    assert line.startswith("33.3 % of the boxes") and "83 x 83 pixels" in line
    assert fit_line(index_of((0, 0, 50, 30)), preset("ssdlite320"), (416, 416)) == ""
    assert fit_line(index_of((0, 0, 20, 20)), preset("ssd300_vgg16"), (300, 300)) == ""  # its smallest is 21
    assert fit_line(index_of((0, 0, 9, 9)), preset("fcos"), (416, 416)) == ""


def test_no_line_without_anchors_or_sizes():
    assert fit_line(index_of((0, 0, 10, 13)), preset("yolox_nano"), (416, 416)) == ""
    assert fit_line(index_of((0, 0, 10, 13), size=(0, 0)), preset("yolov3"), (416, 416)) == ""
