"""Batches go on when a worker process dies."""

import multiprocessing
import os
import signal

import pytest

from tests.utils.loader.test_loader import SIZE, make_index, same
from utils.augment.settings import Augmentation
from utils.images.image_io import ImageError
from utils.loader.eval_dataset import EvalDataset
from utils.loader.loader import evaluation_loader, training_loader
from utils.loader.train_dataset import TrainDataset


def kill_one():
    """The newest one: those before it may be on their way out already."""
    newest = max(multiprocessing.active_children(), key=lambda process: process._identity)
    os.kill(newest.pid, signal.SIGKILL)
    newest.join()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed otherwise here")
def test_no_batch_is_lost_or_doubled_when_processes_die(tmp_path, capsys):
    # More batches than a process loads ahead: one that has nothing left to do is not missed.
    dataset = TrainDataset(make_index(tmp_path, 14), [SIZE], Augmentation(), seed=3)
    whole, lasting = training_loader(dataset, 1), training_loader(dataset, 1, workers=2)
    for _, batches in (whole, lasting):
        batches.set_epoch(5, first_batch=1)
    expected, found = list(whole[0]), []
    alive = 2
    for batch in lasting[0]:
        found.append(batch)
        if 0 < lasting[0].workers == alive:  # what the last death has left is at work
            kill_one()
            alive -= 1
    assert len(found) == len(expected) == 13
    assert all(same(*pair) for pair in zip(found, expected, strict=True))
    assert lasting[0].workers == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["going on with 1", "going on with 0"]
    for _, batches in (whole, lasting):
        batches.set_epoch(6)
    assert all(same(*pair) for pair in zip(*(list(loader) for loader, _ in (whole, lasting)), strict=True))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed otherwise here")
def test_evaluation_goes_on_too(tmp_path):
    loader = evaluation_loader(EvalDataset(make_index(tmp_path, 6), SIZE), 2, workers=1)
    found = []
    for batch in loader:
        found += batch.image_numbers.tolist()
        if len(found) == 2:
            kill_one()
    assert found == [0, 1, 2, 3, 4, 5]


def test_a_death_is_no_surprise_in_the_middle_of_a_step(tmp_path):
    """PyTorch's own handler of the signal would raise it from wherever the main process is."""
    before = signal.getsignal(signal.SIGCHLD)
    loader, _ = training_loader(TrainDataset(make_index(tmp_path, 4), [SIZE], Augmentation()), 2, 1)
    next(iter(loader))
    assert signal.getsignal(signal.SIGCHLD) is before


class Failing(EvalDataset):
    def __getitems__(self, images):
        raise OSError("no such share")


class Unreadable(EvalDataset):
    def __getitems__(self, images):
        raise ImageError("a.jpg: no such file")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("kind", "raised", "text"),
    [(Failing, OSError, "no such share"), (Unreadable, ImageError, "a.jpg: no such file")],
)
def test_what_a_worker_raises_is_no_death(tmp_path, workers, kind, raised, text):
    """And it is raised as in the main process, without the traceback that PyTorch puts before it."""
    loader = evaluation_loader(kind(make_index(tmp_path, 2), SIZE), 2, workers)
    with pytest.raises(raised) as caught:
        list(loader)
    assert str(caught.value) == text
