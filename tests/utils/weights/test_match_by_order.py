"""Parts with other names are matched by order and shape, where that is certain."""

import pytest
import torch

from tests.utils.weights.nano_weights import NANO, equal, floating, fresh
from utils.weights.load_weights import load_weights
from utils.weights.read_weights import Weights


def test_a_part_with_other_names_is_loaded_by_order_and_shape(donor):
    state = {f"features.{n}": v for n, v in enumerate(floating(donor.backbone).values())}
    state |= {"classifier": torch.zeros(10)}
    detector = fresh(3)
    report = load_weights(detector, Weights("w.pt", state), NANO, "abc")
    assert equal(detector.backbone, donor.backbone) and equal(detector.neck, fresh(3).neck)
    assert report.by_order == ("backbone",) and report.unused == ("classifier",)
    assert "0.47 M parameters), by order and shape: the names differ" in report.text()


def test_order_counts_only_where_it_is_certain(donor):
    backbone = list(floating(donor.backbone).values())
    twice = {f"a.{n}": v for n, v in enumerate(backbone + backbone)}  # which of the two?
    turned = {f"a.{n}": v for n, v in enumerate(reversed(backbone))}
    for state in (twice, turned):
        with pytest.raises(ValueError, match="only 0 of 235"):
            load_weights(fresh(3), Weights("w.pt", state), NANO, "abc")
