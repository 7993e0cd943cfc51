"""Blur, noise and compression change what they should, and nothing else."""

import numpy as np
import pytest

from utils.augment.color_and_flip import random_colour, recolor_and_flip_
from utils.augment.degrade import compressed, degrade
from utils.augment.settings import NO_AUGMENTATION, Augmentation


def stripes():
    """Two samples with sharp stripes, in one colour each."""
    images = np.full((2, 64, 64, 3), (200, 100, 50), np.uint8)
    images[:, :, ::8] = (20, 30, 220)
    return images


def degraded(seed=0, **changes):
    images = stripes()
    generators = [np.random.default_rng([seed, number]) for number in range(len(images))]
    degrade(images, Augmentation(**changes), generators)
    return images


def roughness(images):
    """The mean difference of neighbours down the columns, where the stripes change nothing."""
    return np.abs(np.diff(images.astype(float), axis=1)).mean()


def test_blur_makes_edges_soft_and_keeps_the_mean():
    soft = degraded(blur=1.0).astype(float)
    assert np.abs(np.diff(soft, axis=2)).max() < 0.9 * np.abs(np.diff(stripes().astype(float), axis=2)).max()
    assert abs(soft.mean() - stripes().mean()) < 3 and roughness(soft) < 0.1


def test_noise_is_rough_and_keeps_the_mean():
    noisy = degraded(noise=1.0)
    assert 2 < roughness(noisy) < 40 and abs(noisy.mean() - stripes().mean()) < 3


def test_compression_is_near_the_image():
    image = np.repeat(np.repeat(stripes()[0], 4, axis=0), 4, axis=1)  # colours have half the resolution
    for quality, most in ((95, 6), (20, 20)):
        difference = np.abs(compressed(image, quality).astype(float) - image).mean()
        assert 0 < difference < most
    assert compressed(image, 95)[:, 16].mean(axis=0) == pytest.approx((200, 100, 50), abs=10)  # RGB, not BGR
    assert not np.array_equal(degraded(jpeg=1.0), stripes())


def test_each_by_its_probability():
    assert np.array_equal(degraded(), stripes())
    changed = [
        not np.array_equal(image, before)
        for seed in range(100)
        for image, before in zip(degraded(seed, noise=0.3), stripes(), strict=True)
    ]
    assert 35 < sum(changed) < 85  # of 200, 60 on average
    assert np.array_equal(
        degraded(7, noise=0.5, blur=0.5, jpeg=0.5), degraded(7, noise=0.5, blur=0.5, jpeg=0.5)
    )


def test_grey():
    matrix = random_colour(Augmentation(grey=1.0), np.random.default_rng(0))
    images = stripes()
    recolor_and_flip_(images, [False, False], [matrix, matrix])
    assert (images == images[..., :1]).all() and images.std() > 5
    first = random_colour(Augmentation(), np.random.default_rng(3))
    assert np.array_equal(first, random_colour(Augmentation(grey=1e-9), np.random.default_rng(3)))
    assert random_colour(NO_AUGMENTATION, np.random.default_rng(0)) is not matrix
