"""What was written is kept if it is the same detector, and else refused with the numbers."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from tests.utils.export.exports import SIZE, metadata_of, small_detector
from utils.data.index import ImageRecord, build_index
from utils.export.difference import Difference
from utils.export.verify import Reference, compare_on_data, verify_network
from utils.export.verify_nms import verify_nms
from utils.export.write_export import ENDINGS, write_export
from utils.inference.exported_model import load_exported
from utils.sample.dataset import sample_image

HOST = torch.device("cpu")
TOLERANCE = Difference(0.5, 0.005)


@pytest.fixture(scope="module")
def detector():
    return small_detector()


def exported(detector, folder, kind="onnx", **changes):
    path = folder / ("x" + ENDINGS[kind])
    device = "cpu" if kind == "torchscript" else "any"
    write_export(detector, metadata_of(detector, device=device, **changes), path, kind, half=False)
    return load_exported(path, HOST, "off")


@pytest.fixture(scope="module")
def openvino(detector, tmp_path_factory):
    return exported(detector, tmp_path_factory.mktemp("export"), "openvino", dynamic=True, confidence=0.1)


@pytest.fixture(scope="module")
def letterboxed(detector, tmp_path_factory):
    return exported(detector, tmp_path_factory.mktemp("export"), letterbox=True, confidence=0.1)


@pytest.fixture(scope="module")
def index(tmp_path_factory, detector):
    """Three drawn images, and on two of them an object of class 0; one file is broken."""
    folder = tmp_path_factory.mktemp("images")
    records = []
    for number in range(3):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), sample_image(1, number).image)
        records.append(ImageRecord(str(path), np.array([[10, 10, 90, 90.0]]), np.array([0])))
    (folder / "2.png").write_bytes(b"no image")
    return build_index(records, ("猫", "dog", "a b"))


def changed(detector):
    """Another detector: one bias differs."""
    other = copy.deepcopy(detector)
    with torch.no_grad():
        other.head.class_preds[0].bias[1] += 0.5
    return other


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
    assert verify_network(Reference(changed(detector), Difference(100, 1), None), openvino), (
        "unless that much may differ"
    )


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
    compared = compare_on_data(Reference(detector, TOLERANCE, index, batch_size=2), openvino)
    assert compared.difference.within(TOLERANCE)
    assert compared.summary.startswith("3 images: boxes differ by at most")
    before, after = (
        part.split("mAP50")[1:] for part in compared.summary.split("; before ")[1].split(", after ")
    )
    assert before == after
    assert (
        "before"
        not in compare_on_data(Reference(detector, TOLERANCE, without_objects(index)), openvino).summary
    )


def without_objects(index):
    return build_index(
        [ImageRecord(str(index.path(number))) for number in range(len(index))], index.class_names
    )


def test_nms_of_the_graph_is_ours(detector, openvino, letterboxed, index):
    for data in (None, index):
        for file in (openvino, letterboxed):
            summaries = verify_nms(Reference(detector, TOLERANCE, data), file)
            common, number = summaries.split(": ")[1].split(" boxes")[0].split(" of ")
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
