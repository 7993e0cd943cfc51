"""What was written is kept if it is the same detector, and else refused with the numbers."""

from dataclasses import replace

import pytest

from tests.utils.export.exports import SIZE, changed
from utils.data.index import ImageRecord, build_index
from utils.export.difference import Difference
from utils.export.verify import Reference, compare_on_data, verify_network

TOLERANCE = Difference(0.5, 0.005)


def test_the_same_detector_is_kept(detector, openvino):
    summaries = verify_network(Reference(detector, TOLERANCE, None), openvino)
    assert summaries[0].startswith("8 drawn images: boxes differ by at most")
    assert summaries[1].startswith(
        f"in a batch of three, {SIZE[0] + 32} x {SIZE[1] + 16}: boxes differ by at most"
    )
    assert len(summaries) == 2


def test_another_one_is_refused_with_the_numbers(detector, openvino):
    with pytest.raises(ValueError, match=r"not the same detector, on these .*; allowed are 0\.5 pixels"):
        verify_network(Reference(changed(detector), TOLERANCE, None), openvino)
    tolerant = Reference(changed(detector), Difference(100, 1), None)
    assert verify_network(tolerant, openvino), "unless that much may differ"


def test_other_sizes_are_looked_at_too(detector, openvino):
    """As if the exporter had written a number that depends on the size."""
    right = openvino.runtime.run

    def run(images):
        found = right(images)
        return found if images.shape[-2:] == SIZE else found._replace(boxes=found.boxes + 5)

    wrong = replace(openvino, runtime=replace(openvino.runtime, run=run))
    with pytest.raises(ValueError, match="not the same detector, in a batch of three, 80 x 80"):
        verify_network(Reference(detector, TOLERANCE, None), wrong)


def test_data_are_compared_and_measured(detector, openvino, index):
    comparison = compare_on_data(Reference(detector, TOLERANCE, index, batch_size=2), openvino)
    assert comparison.difference.within(TOLERANCE)
    assert comparison.summary.startswith("3 images: boxes differ by at most")
    before, after = (
        part.split("mAP50")[1:] for part in comparison.summary.split("; before ")[1].split(", after ")
    )
    assert before == after
    unlabelled = Reference(detector, TOLERANCE, without_objects(index))
    assert "before" not in compare_on_data(unlabelled, openvino).summary


def without_objects(index):
    return build_index(
        [ImageRecord(str(index.path(number))) for number in range(len(index))], index.class_names
    )
