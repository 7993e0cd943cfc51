"""Every model of the zoo is exported and is the same detector then, or says why it cannot be."""

import numpy as np
import pytest
import torch

from nets import ZOO, build_detector
from tests.utils.export.exports import CLASSES, metadata_of
from utils.export.difference import Difference
from utils.export.verify import Reference, verify_network
from utils.export.verify_nms import verify_nms
from utils.export.write_export import ENDINGS, check_exportable, write_export
from utils.images.letterbox import letterbox
from utils.inference.exported_model import load_exported
from utils.inference.optimize import for_inference
from utils.sample.dataset import sample_image

SIZE = (320, 320)
TOLERANCE = Difference(2.0, 0.01)  # rounding grows on its way through untrained networks


def fresh_detector(name):
    """With BatchNorm's statistics of drawn images: with others, untrained networks give 0 or far more."""
    torch.manual_seed(0)
    detector = build_detector(name, len(CLASSES))
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of what it sees
    drawn = np.stack([letterbox(sample_image(0, number).image, SIZE)[0] for number in range(4)])
    with torch.no_grad():
        detector.train()(torch.from_numpy(drawn).permute(0, 3, 1, 2))
    return for_inference(detector.eval(), None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "openvino", "torchscript"])
@pytest.mark.parametrize("name", ZOO)
def test_every_model(name, kind, tmp_path):
    preset, detector = ZOO[name], fresh_detector(name)
    dynamic = preset.builder is None and kind != "openvino"  # which is made of the same graph
    metadata = metadata_of(
        detector,
        model_name=name,
        image_size=SIZE,
        smallest=preset.smallest,
        dynamic=dynamic,
        nms=kind != "torchscript",
        confidence=0.001,
        device="cpu" if kind == "torchscript" else "any",
    )
    path = tmp_path / f"x{ENDINGS[kind]}"
    if name == "fasterrcnn":
        with pytest.raises(ValueError, match="fasterrcnn cannot be exported"):
            check_exportable(detector, metadata, kind, half=False)
        return
    write_export(detector, metadata, path, kind, half=False)
    exported, reference = (
        load_exported(path, torch.device("cpu"), "off", trust=True),
        Reference(detector, TOLERANCE, None),
    )
    assert len(verify_network(reference, exported)) == 1 + dynamic
    if metadata.nms:
        verify_nms(reference, exported)
