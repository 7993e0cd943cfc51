"""Batches of evaluation: images as they are, letterboxed."""

import numpy as np
import torch

from tests.utils.loader.test_train_dataset import SIZE, make_index
from utils.images.letterbox import plan_letterbox
from utils.loader.eval_dataset import EvalDataset


def test_evaluation_batch(tmp_path):
    index = make_index(tmp_path, 4)
    batch = EvalDataset(index, SIZE).batch([3, 0, 1])
    assert batch.images.shape == (3, 3, *SIZE) and batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.image_numbers.tolist() == [3, 0, 1] and batch.skipped == []
    assert batch.letterboxes == [plan_letterbox(tuple(index.sizes[i].tolist()), SIZE) for i in (3, 0, 1)]
    assert batch.targets.valid.sum(1).tolist() == [3, 0, 1]
    np.testing.assert_allclose(batch.targets.boxes[0, :3], batch.letterboxes[0].forward(index.boxes[3:6]))
    assert batch.targets.labels[0, :3].tolist() == [0, 1, 2]


def test_a_broken_image_is_blank_in_evaluation(tmp_path):
    index = make_index(tmp_path, 3, broken=(1,))
    batch = EvalDataset(index, SIZE, pad_value=9).batch([0, 1, 2])
    assert batch.image_numbers.tolist() == [0, 1, 2]
    assert batch.skipped == [str(tmp_path / "1.png")]
    assert (batch.images[1] == 9).all()
    assert batch.letterboxes[1] == plan_letterbox((70, 140), SIZE)
    assert batch.targets.valid.sum(1).tolist() == [0, 1, 2]
