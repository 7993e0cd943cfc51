"""Colours of classes: the same always, and apart for every kind of eye."""

import cv2
import numpy as np
import pytest

from utils.draw.palette import DISTINCT_COLOURS, as_seen, class_colours, text_colours

# Machado, Oliveira and Fernandes 2009, table of deuteranopia (severity 1): green and red fall together.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def least_distance(lab):
    """The least distance (CIE76) between two of the colours [N, 3]."""
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return apart[~np.eye(len(lab), dtype=bool)].min()


def test_a_class_has_its_colour_whatever_the_number():
    colours = class_colours(80)
    assert class_colours(5) == colours[:5] and class_colours(0) == []
    assert len(set(class_colours(DISTINCT_COLOURS))) == DISTINCT_COLOURS
    assert class_colours(DISTINCT_COLOURS + 3)[DISTINCT_COLOURS:] == colours[:3]


@pytest.mark.parametrize(("number", "least"), [(8, 17), (20, 17), (80, 7.5)])
def test_colours_are_apart_for_every_eye(number, least):
    """10 is a difference seen at a glance. Hues spread evenly, as before, come to 1.1 among 20."""
    for lab in as_seen(np.array(class_colours(number))):
        assert least_distance(lab) >= least


def test_red_and_green_look_alike_without_green_cones():
    """By hand: both are olive, and so is the simulation's, with the paper's matrix on linear light."""
    red, green = (255, 0, 0), (0, 185, 0)
    normal, _, without_green = as_seen(np.array([red, green]))
    assert least_distance(normal) > 100 > 3 * least_distance(without_green)
    linear = np.where(
        np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
    )
    light = (DEUTERANOPIA @ linear[list(red)]).clip(0, 1)
    gamma = (1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
    np.testing.assert_allclose(
        without_green[0], cv2.cvtColor(gamma[None, None], cv2.COLOR_RGB2Lab)[0, 0], atol=0.5
    )


def test_text_stands_out():
    assert text_colours([(255, 255, 0)]) == [(0, 0, 0)]  # .299 * 255 + .587 * 255 = 226
    assert text_colours([(0, 0, 255)]) == [(255, 255, 255)]  # .114 * 255 = 29
