"""The number of threads that turned out faster is kept."""

import time
from types import SimpleNamespace

import pytest
import torch

from utils.data.detections import Detections
from utils.video.thread_tuning import TRIALS, ThreadTuned


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("slow", [1, 2])
def test_the_faster_number_is_kept(two_threads, slow):
    used = []

    def detect(images, watch=None):
        used.append(torch.get_num_threads())
        time.sleep(0.01 if used[-1] == slow else 0)
        return [Detections.empty() for _ in images]

    choice = ThreadTuned(SimpleNamespace(detect=detect, class_names=("a",)))
    for _ in range(2 * TRIALS + 5):
        assert len(choice.detect([None])) == 1
    assert used[: 2 * TRIALS] == [1, 2] * TRIALS, "both are tried alike"
    assert used[2 * TRIALS :] == [3 - slow] * 5 and torch.get_num_threads() == 3 - slow


def test_one_thread_is_no_choice():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    used = []
    choice = ThreadTuned(SimpleNamespace(detect=lambda images, watch: used.append(1), class_names=("a",)))
    for _ in range(TRIALS + 2):
        choice.detect([None])
    assert torch.get_num_threads() == 1 and len(used) == TRIALS + 2
    torch.set_num_threads(before)
