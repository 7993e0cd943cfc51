"""Which rows of a tensor belong to which class."""

import pytest
import torch

from nets import preset
from tests.utils.weights.nano_weights import LAYERS, NANO
from utils.weights.class_transfer import ClassLayer, ClassTransfer, class_layers, match_classes, model_shapes

FASTER = "head.roi_heads.box_predictor."


def layers_of(model):
    return class_layers(model, model_shapes(model, 2), 2)


def test_layers_of_torchvisions_detectors():
    """Groups are anchors; the background comes before the classes; a box has four rows for each class."""
    assert {name: tuple(layer) for name, layer in layers_of(preset("fasterrcnn")).items()} == {
        f"{FASTER}cls_score.weight": (1, 1, 1),
        f"{FASTER}cls_score.bias": (1, 1, 1),
        f"{FASTER}bbox_pred.weight": (1, 1, 4),
        f"{FASTER}bbox_pred.bias": (1, 1, 4),
    }
    assert {tuple(layer) for layer in layers_of(preset("ssd300_vgg16")).values()} == {(4, 1, 1), (6, 1, 1)}
    assert {tuple(layer) for layer in layers_of(preset("retinanet")).values()} == {(9, 0, 1)}


@pytest.mark.parametrize(
    ("layer", "rows", "classes", "fits"),
    [
        (ClassLayer(1, 0), 5, 5, True),
        (ClassLayer(3, 0), 15, 5, True),
        (ClassLayer(3, 1), 18, 5, True),
        (ClassLayer(3, 1), 17, 4, False),
        (ClassLayer(1, 1, 4), 24, 5, True),
        (ClassLayer(1, 1, 4), 22, 4, False),
        (ClassLayer(1, 1, 4), 4, 0, False),  # the background alone
        (ClassLayer(2, 1, 4), 48, 5, True),
    ],
)
def test_rows_tell_the_number_of_classes(layer, rows, classes, fits):
    assert (layer.classes(rows), layer.fits(rows)) == (classes, fits)


def test_four_rows_of_each_class_go_together():
    """Theirs: background, a, b. Ours: b, c, a after the background. Rows are numbered by what they hold."""
    transfer = ClassTransfer({"boxes": ClassLayer(1, 1, 4)}, target=(0, 2), source=(1, 0))
    theirs, ours = torch.arange(12.0).view(12, 1), torch.full((16, 1), -1.0)
    transfer.copy("boxes", theirs, ours)
    assert ours.flatten().tolist() == [0, 1, 2, 3, 8, 9, 10, 11, -1, -1, -1, -1, 4, 5, 6, 7]
    assert transfer.rows(transfer.layers["boxes"]) == 12


@pytest.mark.parametrize("classes", [1, 3])
def test_class_layers_are_found(classes):
    assert class_layers(NANO, model_shapes(NANO, classes), classes) == layers_of(NANO)
    assert sorted(layers_of(NANO)) == sorted(LAYERS)


def test_rows_before_the_classes_are_copied_too():
    """A background row at the head of each of two groups: [b0 x0 y0 b1 x1 y1] -> [b0 y0 b1 y1]."""
    layer = ClassLayer(groups=2, before=1)
    assert layer.classes(6) == 2 and layer.fits(6) and not layer.fits(5) and not layer.fits(2)
    theirs, ours = torch.arange(6.0), torch.full((4,), -1.0)
    match_classes("xy", "y", {"layer": layer}).copy("layer", theirs, ours)
    assert ours.tolist() == [0, 2, 3, 5]
