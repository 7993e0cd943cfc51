"""The report of what was loaded."""

import torch

from tests.utils.weights.nano_weights import NANO, fresh, weights_of
from utils.weights.load_weights import load_weights
from utils.weights.read_weights import Weights


def test_report_by_part(donor):
    state = dict(weights_of(donor).state)
    del state["neck.lateral_coarse.conv.weight"], state["neck.lateral_coarse.bn.bias"]
    state["backbone.stem.conv.conv.weight"] = torch.zeros(24, 12, 3, 3)
    state["head.extra"] = torch.zeros(4)
    report = load_weights(fresh(2), Weights("w.pt", state, ("a", "b", "c")), NANO, ("c", "x"))
    backbone, neck, head = report.parts.values()
    assert backbone.mismatched == {"backbone.stem.conv.conv.weight": ((24, 12, 3, 3), (16, 12, 3, 3))}
    assert neck.missing == ("neck.lateral_coarse.conv.weight", "neck.lateral_coarse.bn.bias")
    assert report.unused == ("head.extra",) and not report.complete
    # One row of two in each of 3 levels is fresh: 64 weights and a bias; the stem has 16*12*3*3 weights.
    assert head.parameters - head.loaded_parameters == 3 * (64 + 1)
    assert backbone.parameters - backbone.loaded_parameters == 16 * 12 * 3 * 3
    text = report.text()
    assert "backbone  loaded 234 of 235 tensors (0.46 M of 0.47 M parameters)" in text
    assert "[24, 12, 3, 3] in the file, [16, 12, 3, 3] here" in text
    assert "2 not in the file: neck.lateral_coarse.conv.weight" in text
    assert "classes transferred: c\nnew classes, not in the file: x" in text
    assert "not used: 1 tensors of the file (head.extra)" in text
