import random

import numpy as np
import torch

from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.random_state import random_state, restore_random_state


def draw():
    return random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(3).tolist()  # noqa: NPY002


def test_the_numbers_go_on_after_a_checkpoint_as_they_would_have(tmp_path):
    draw()  # a normal number is drawn in pairs: the second waits
    entries = {"model": {}, "ema": None, "epoch": 0, "step": 0, "class_names": [], "model_name": ""}
    save_checkpoint(tmp_path / "a.pt", **entries, image_size=(1, 1), random=random_state())
    expected = draw()
    assert draw() != expected
    restore_random_state(load_checkpoint(tmp_path / "a.pt")["random"])
    assert draw() == expected
