"""Two processes give what one gives that has the whole batch."""

from dataclasses import replace

import pytest
import torch
from torch import distributed, multiprocessing, nn

from nets.losses.common import reduce_mean_count
from tests.utils.train.tiny_training import CPU, PHASE, copied, drawn_index, make_trainer, same_bits, train
from utils.augment.settings import Augmentation
from utils.inference.detect_dataset import detect_dataset
from utils.system.distributed import Processes, process_group, restart_count, torchrun_processes
from utils.train.batch_norm_statistics import measure_batch_norm
from utils.train.epoch_state import EpochState
from utils.train.sync_batch_norm import SyncBatchNorm2d, synchronise_batch_norm

VARIED = replace(PHASE, batch_size=4, learning_rate=0.002, augmentation=Augmentation())
PHASES = (replace(VARIED, frozen=("backbone",)), replace(VARIED, epochs=2))


def start(rank, folder, work, arguments):
    """One of two processes: meet the other, work, and leave the result in a file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        torch.save(work(Processes(rank, 2, rank), *arguments), folder / f"{rank}.pt")
    finally:
        distributed.destroy_process_group()


def in_two(folder, work, *arguments):
    """What `work(processes, *arguments)` returns in each of two processes."""
    multiprocessing.spawn(start, (folder, work, arguments), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def one_step(processes, images):
    """The losses and gradients of the first batch, of four varied images."""
    trainer = make_trainer(drawn_index(images, 8), [VARIED], processes=processes)
    trainer.optimizer.zero_grad = lambda: None  # so that they can be looked at
    batch, state = next(iter(trainer.start_epoch(VARIED, 0))), EpochState()
    state.add(batch, trainer.step(batch), 1.0, processes.world_size)
    gradients = {name: value.grad for name, value in trainer.detector.named_parameters()}
    return {"losses": state.means(), "gradients": gradients, "images": state.images}


def test_losses_and_gradients_are_those_of_one_process(tmp_path):
    (tmp_path / "images").mkdir()
    one = one_step(Processes(), tmp_path / "images")
    for found in in_two(tmp_path, one_step, tmp_path / "images"):
        assert found["losses"] == pytest.approx(one["losses"], rel=1e-4)
        assert found["images"] == one["images"] == 4
        for name, value in one["gradients"].items():
            apart = (found["gradients"][name] - value).norm() / value.norm().clamp(min=1e-6)
            assert apart < 0.01, name


def trained(processes, images):
    """Train on eight drawn images in two phases, and evaluate with losses."""
    index = drawn_index(images, 8)
    trainer = make_trainer(index, PHASES, processes=processes)
    losses = train(trainer)
    detector, settings = trainer.evaluated, trainer.settings.detect
    found = detect_dataset(detector, index, (64, 64), 3, 0, settings, detector.losses, trainer.processes)
    averaged = copied(trainer.ema.module.state_dict())
    measure_batch_norm(trainer, epoch=2)
    return {
        "losses": losses,
        "model": copied(trainer.detector.state_dict()),
        "ema": averaged,
        "measured": copied(trainer.ema.module.state_dict()),
        "found": [torch.from_numpy(detections.scores) for detections in found.detections],
        "val": found.losses,
    }


def test_processes_stay_alike_and_share_evaluation(tmp_path):
    """Rounding moves an assignment now and then, so that after some steps one process has other weights."""
    (tmp_path / "images").mkdir()
    first, second = in_two(tmp_path, trained, tmp_path / "images")
    assert first["losses"] == second["losses"] and first["val"] == second["val"]
    for kind in ("model", "ema", "measured"):
        assert same_bits(first[kind], second[kind])
    index = drawn_index(tmp_path / "images", 8)
    alone = make_trainer(index, PHASES)
    alone.evaluated.load_state_dict(first["ema"])
    detector, settings = alone.evaluated, alone.settings.detect
    found = detect_dataset(detector, index, (64, 64), 3, 0, settings, detector.losses)
    assert first["val"] == pytest.approx(found.losses, rel=1e-5)
    for scores, detections in zip(first["found"], found.detections, strict=True):
        torch.testing.assert_close(scores, torch.from_numpy(detections.scores), rtol=1e-4, atol=1e-6)
    alone.start_epoch(PHASES[1], epoch=2)
    measure_batch_norm(alone, epoch=2)
    for name, value in alone.evaluated.state_dict().items():
        apart = (first["measured"][name] - value).float().norm() / value.float().norm().clamp(min=1e-6)
        assert apart < 0.01, name


def normalised(processes):
    """A BatchNorm over two parts of a batch of six: outputs, gradients and statistics."""
    images = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    part = images[processes.rank :: processes.world_size].clone().requires_grad_()
    norm = synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), CPU)
    out = norm(part)
    (out * images[processes.rank :: processes.world_size] ** 2).sum().backward()
    return {"out": out.detach(), "grad": part.grad, "state": dict(norm.state_dict())}


def test_batch_norm_over_parts_is_batch_norm_over_the_whole(tmp_path):
    images = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    norm = nn.Sequential(nn.BatchNorm2d(3))
    out = norm(images)
    (out * images.detach() ** 2).sum().backward()
    for rank, found in enumerate(in_two(tmp_path, normalised)):
        torch.testing.assert_close(found["out"], out.detach()[rank::2])
        torch.testing.assert_close(found["grad"], images.grad[rank::2], rtol=1e-4, atol=1e-5)
        assert found["state"].keys() == norm.state_dict().keys()
        for name, value in norm.state_dict().items():
            torch.testing.assert_close(found["state"][name], value)


def test_in_one_process_batch_norm_is_as_it_was():
    images = torch.randn(2, 3, 4, 4)
    plain = nn.BatchNorm2d(3)
    norm = synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), CPU)
    assert type(norm[0]) is SyncBatchNorm2d and torch.equal(plain(images), norm(images))


def told(processes):
    """What processes tell one another."""
    with processes.first_then_others():
        order = processes.rank
    mean = processes.mean({"a": torch.tensor(1.0 + processes.rank), "b": torch.tensor(4.0)})
    count = reduce_mean_count(torch.tensor(3.0 * processes.rank, requires_grad=True))
    with torch.no_grad():
        own = reduce_mean_count(torch.tensor(3.0 * processes.rank))
    return {
        "all": processes.gather([processes.rank]),
        "first": processes.broadcast("x" if processes.first else None),
        "largest": processes.largest(10 * processes.rank),
        "mean": mean,
        "count": count,
        "own": own,
        "order": order,
    }


def test_what_processes_tell_one_another(tmp_path):
    for rank, found in enumerate(in_two(tmp_path, told)):
        assert found["all"] == [[0], [1]] and found["first"] == "x" and found["largest"] == 10
        assert found["mean"] == {"a": 1.5, "b": 4.0}
        assert found["count"] == 1.5 and found["own"] == max(1, 3 * rank)


def test_one_process_has_nobody_to_ask():
    alone = Processes()
    assert alone.first and alone.per_process(7) == 7 and alone.gather(5) == [5] and alone.broadcast(5) == 5
    assert alone.largest(3) == 3 and alone.mean({"a": 1}) == {"a": 1} and alone.device(CPU) == CPU
    with alone.first_then_others(), process_group(alone, CPU):
        assert not distributed.is_initialized()
    assert reduce_mean_count(torch.tensor(0.0)) == 1


def test_a_batch_is_divided_or_refused():
    assert Processes(1, 4, 1).per_process(8) == 2
    with pytest.raises(ValueError, match="a batch of 6 cannot be divided among 4 processes"):
        Processes(1, 4, 1).per_process(6)
    assert Processes(5, 8, 1).device(torch.device("cuda")) == torch.device("cuda", 1)


def test_torchrun_tells_the_place(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert torchrun_processes() == Processes() and restart_count() == 0
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "4")):
        monkeypatch.setenv(name, value)
    assert torchrun_processes() == Processes(5, 8, 1, 4)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert restart_count() == 1
