"""The number of workers from given times, and measuring times without side effects."""

import torch

from tests.utils.train.tiny_training import CPU, PHASE, copied, drawn_index, make_trainer, same_bits
from utils.train.auto_workers import BatchTimes, choose_workers, measure_loading, measure_step


def test_where_the_cpu_trains():
    # 1.1 s, against 2 s on the one core that is left
    assert choose_workers(BatchTimes(0.1, 1.0), 2, on_gpu=False) == 0
    assert choose_workers(BatchTimes(1.0, 0.5), 2, on_gpu=False) == 1  # 1.5 s, against 1.25 s
    assert choose_workers(BatchTimes(0.1, 1.0), 16, on_gpu=False) == 1  # 1.1 s, against 1.07 s on 15 cores
    assert choose_workers(BatchTimes(1.0, 1.0), 1, on_gpu=False) == 0


def test_where_a_gpu_trains():
    assert choose_workers(BatchTimes(0.16, 0.1), 8, on_gpu=True) == 2  # 1.25 * 0.16 s / 2 = 0.1 s
    assert choose_workers(BatchTimes(0.17, 0.1), 8, on_gpu=True) == 3
    assert choose_workers(BatchTimes(9.0, 0.1), 8, on_gpu=True) == 7  # one core for the process that trains
    assert choose_workers(BatchTimes(9.0, 0.1), 64, on_gpu=True) == 16
    assert choose_workers(BatchTimes(0.01, 1.0), 64, on_gpu=True) == 1


def test_measuring_leaves_no_trace(tmp_path, monkeypatch):
    trainer = make_trainer(drawn_index(tmp_path))
    loss = trainer.detector.loss
    # Like a loss that samples boxes.
    monkeypatch.setattr(trainer.detector, "loss", lambda *given: (torch.rand(3), loss(*given))[1])
    before, state = copied(trainer.detector.state_dict()), torch.get_rng_state()
    loader, sampler = trainer.open_loader(PHASE)
    load, batch = measure_loading(loader.dataset, list(sampler))
    step = measure_step(trainer.detector, batch, CPU, None)
    assert 0 < load < 10 and 0 < step < 10
    assert same_bits(before, trainer.detector.state_dict()) and torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in trainer.detector.parameters())
