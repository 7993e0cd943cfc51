"""Settings of the augmentation that are refused."""

import pytest

from utils.augment.settings import NO_AUGMENTATION, Augmentation


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"mosaic": 1.5}, "0 to 1"),
        ({"flip": -0.1}, "0 to 1"),
        ({"hue": 2}, "0 to 1"),
        ({"min_visibility": -1}, "0 to 1"),
        ({"cut_out": 1.1}, "0 to 1"),
        ({"rotation": 181}, "0 to 180"),
        ({"shear": 60}, "0 to below 60"),
        ({"multi_scale": 1}, "0 to below 1"),
    ],
)
def test_strengths_out_of_range_are_named(wrong, allowed):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must be .*{allowed}"):
        Augmentation(**wrong)


@pytest.mark.parametrize("scale", [(1.5, 0.5), (0, 1)])
def test_a_scale_that_makes_no_sense_is_refused(scale):
    with pytest.raises(ValueError, match="smaller zoom first"):
        Augmentation(scale=scale)


def test_everything_can_be_off():
    off = {name: value for name, value in vars(NO_AUGMENTATION).items() if value}
    assert off == {"scale": (1, 1)}
