"""NMS and letterbox of a graph are compared with ours, and refused if they differ."""

from dataclasses import replace

import pytest

from tests.utils.export.exports import changed
from utils.export.difference import Difference
from utils.export.verify import Reference
from utils.export.verify_nms import verify_nms

TOLERANCE = Difference(0.5, 0.005)


def test_nms_of_the_graph_is_ours(detector, openvino, letterboxed, index):
    for data in (None, index):
        for file in (openvino, letterboxed):
            summary = verify_nms(Reference(detector, TOLERANCE, data), file)
            common, number = summary.split(": ")[1].split(" boxes")[0].split(" of ")
            assert common == number and int(number) >= 8


def test_another_nms_is_refused(detector, letterboxed):
    """The graph was made with another threshold than the file says."""
    metadata = replace(letterboxed.metadata, confidence=0.6)
    wrong = replace(letterboxed, runtime=replace(letterboxed.runtime, metadata=metadata))
    with pytest.raises(
        ValueError, match=r"the same\. The file was not kept; export it without NMS: --no-nms"
    ):
        verify_nms(Reference(detector, TOLERANCE, None), wrong)


def test_a_letterbox_that_leads_elsewhere_is_refused(detector, letterboxed):
    tolerance = Difference(0.1, 0.001)  # ten times that is allowed
    verify_nms(Reference(detector, tolerance, None), letterboxed)
    with pytest.raises(ValueError, match="with the letterbox in the graph"):
        verify_nms(Reference(changed(detector), tolerance, None), letterboxed)
