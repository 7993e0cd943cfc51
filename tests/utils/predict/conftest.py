"""Weights of a small detector and images for it."""

import pytest
import torch

from nets import build_detector
from tests.utils.predict.predictions import CPU, NAMES
from tests.utils.train.tiny_training import drawn_index
from utils.predict.predictor import Predictor
from utils.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint with all it knows, the same without, and images."""
    folder = tmp_path_factory.mktemp("predictor")
    torch.manual_seed(0)
    state = build_detector("yolox_nano", len(NAMES)).state_dict()
    entries = {"ema": None, "epoch": 1, "step": 1, "class_names": NAMES}
    save_checkpoint(folder / "best.pt", model=state, model_name="yolox_nano", image_size=(64, 96), **entries)
    torch.save(state, folder / "bare.pth")
    (folder / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
    drawn_index(folder, 3)
    return folder


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor(folder / "best.pt", confidence=0.0, max_detections=20, **CPU)
