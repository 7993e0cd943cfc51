"""train.py on two processes, as torchrun starts it."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.helpers import MACHINE_COLUMNS, ROOT
from tests.scripts.running import SIZE
from tests.utils.train.tiny_training import same_bits
from utils.weights.checkpoint import load_checkpoint

OPTIONS = ["--image-size", SIZE, SIZE, "--epochs", 2, "--freeze-epochs", 1, "--freeze-batch-size", 4]
OPTIONS += ["--batch-size", 4, "--lr", 0.001, "--device", "cpu", "--workers", 0, "--amp", "off"]
OPTIONS += ["--cache", "off", "--name", "run", "--save-steps", 1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def start(home, output, launcher, **popen):
    """Start a training of one frozen and one unfrozen epoch."""
    data = ["--train", home / "VOC2007:train", "--val", home / "2007_val.txt"]
    names = ["--classes", home / "VOC2007" / "classes.txt", "--weights", home / "start.pt"]
    line = [*launcher, ROOT / "train.py", *data, *names, *OPTIONS, "--output", output]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*map(str, line)], env=environment, text=True, **popen)


def rows_of(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def two(home, tmp_path_factory):
    output = tmp_path_factory.mktemp("two")
    process = start(home, output, TORCHRUN, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output / "run", printed


def test_two_processes_are_as_one_with_the_same_batch(home, two, tmp_path):
    folder, printed = two
    process = start(home, tmp_path, [sys.executable], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.communicate(timeout=300)
    assert "2 processes" in printed and printed.count("epoch 1/2") == 1  # the first one alone prints
    for alone, together in zip(rows_of(tmp_path / "run"), rows_of(folder), strict=True):
        for name in alone.keys() - MACHINE_COLUMNS:
            assert float(together[name]) == pytest.approx(float(alone[name]), rel=0.02, abs=2e-3), name
    names = [
        {path.name.split(".vm.")[0][:12] for path in run.iterdir()} for run in (folder, tmp_path / "run")
    ]
    assert names[0] == names[1]


def test_one_process_dies_and_the_run_ends_as_if_none_had(home, two, tmp_path):
    launcher = [*TORCHRUN, "--max-restarts", "2"]
    process = start(home, tmp_path, launcher, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "run" / "previous.pt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    for name in ("last.pt", "best.pt"):
        found, expected = (load_checkpoint(folder / name) for folder in (tmp_path / "run", two[0]))
        for kind in ("model", "ema"):
            assert same_bits(found[kind], expected[kind]), (name, kind)
    assert torch.equal(found["random"]["torch"], expected["random"]["torch"])
