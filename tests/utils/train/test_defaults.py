"""Defaults that depend on the optimizer or the data."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.train.defaults import (
    DEFAULT_LEARNING_RATE,
    DEFAULT_WEIGHT_DECAY,
    FEW_IMAGES,
    expectation,
    suggest_epochs,
    suggest_freeze_epochs,
)
from utils.train.optimizer import OptimizerName


@pytest.mark.parametrize(
    ("images", "epochs"), [(1, 300), (40, 300), (41, 293), (100, 120), (280, 43), (400, 30), (10**6, 30)]
)
def test_epochs_by_hand(images, epochs):
    assert suggest_epochs(images) == epochs  # 12000 / images, within 30 and 300


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_more_images_never_need_more_epochs(first, second):
    few, many = sorted((first, second))
    assert 30 <= suggest_epochs(many) <= suggest_epochs(few) <= 300


def test_freezing_needs_weights():
    assert suggest_freeze_epochs(36, from_weights=True) == 7
    assert suggest_freeze_epochs(36, from_weights=False) == 0
    assert suggest_freeze_epochs(1, from_weights=True) == 0


def test_expectation_says_what_the_start_and_the_data_mean():
    assert "--weights FILE" in expectation(10_000, from_weights=False)
    assert "--weights FILE" not in expectation(10_000, from_weights=True)
    few = f"{FEW_IMAGES - 1} images are few"
    assert few in expectation(FEW_IMAGES - 1, from_weights=True)
    assert "are few" not in expectation(FEW_IMAGES, from_weights=True)


def test_all_optimizers_have_defaults():
    assert DEFAULT_LEARNING_RATE.keys() == DEFAULT_WEIGHT_DECAY.keys() == {*get_args(OptimizerName)}
    assert DEFAULT_LEARNING_RATE["adamw"] < DEFAULT_LEARNING_RATE["sgd"]
