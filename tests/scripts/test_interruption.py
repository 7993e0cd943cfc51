"""A training that is killed, and goes on, ends as the one that was never disturbed."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import termios
import time

import pytest
import torch

from tests.helpers import MACHINE_COLUMNS, ROOT
from tests.scripts.running import SIZE, script
from tests.utils.train.tiny_training import same_bits
from utils.weights.checkpoint import load_checkpoint

OPTIONS = ["--image-size", SIZE, SIZE, "--epochs", 3, "--freeze-epochs", 1, "--freeze-batch-size", 2]
OPTIONS += ["--batch-size", 2, "--lr", 0.001, "--save-steps", 2, "--save-period", 2, "--device", "cpu"]
OPTIONS += ["--cache", "off"]


def command(home, output, **changes):
    """Start a training of a frozen, an unfrozen and a clean epoch of four steps."""
    data = ["--train", home / "VOC2007:train", "--val", home / "2007_val.txt"]
    names = ["--classes", home / "VOC2007" / "classes.txt", "--weights", home / "start.pt"]
    more = [item for name, value in changes.items() for item in (f"--{name}", value)]
    options = [*data, *names, "--output", output, "--name", "run", *OPTIONS, *more]
    return [sys.executable, str(ROOT / "train.py"), *map(str, options)]


def resume(output):
    return [sys.executable, str(ROOT / "train.py"), "--resume", "run", "--output", str(output)]


def outcome(folder):
    """What must be the same: the rows of figures but times, and the tensors and marks of the checkpoints."""
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        rows = [
            {name: value for name, value in row.items() if name not in MACHINE_COLUMNS}
            for row in csv.DictReader(file)
        ]
    names = ("best.pt", "last.pt", "epoch_002.pt")
    return rows, {name: load_checkpoint(folder / name) for name in names}


def assert_same(folder, undisturbed):
    rows, checkpoints = outcome(folder)
    expected_rows, expected = undisturbed
    assert rows == expected_rows
    for name, found in checkpoints.items():
        for kind in ("model", "ema"):
            assert same_bits(found[kind], expected[name][kind]), (name, kind)
        for key in ("epoch", "step", "best", "best_epoch", "evaluations_since_best"):
            assert found[key] == expected[name][key], (name, key)
        moments = [state["optimizer"]["state"] for state in (found, expected[name])]
        assert moments[0].keys() == moments[1].keys()
        for number, state in moments[0].items():
            assert all(torch.equal(value, moments[1][number][key]) for key, value in state.items())
        assert torch.equal(found["random"]["torch"], expected[name]["random"]["torch"])


def run_with_kills(start, again, folder, kills, rng):
    """Run the training, killed so many times at random moments; returns after which seconds."""
    line, moments = start, []
    while True:
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if len(moments) < kills:
            wait_for_step(process, folder)
            moments.append(rng.uniform(0, 2.0))
            time.sleep(moments[-1])
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
        if process.returncode == 0:
            return moments
        assert process.returncode == -signal.SIGKILL, output
        line = again


def wait_for_step(process, folder):
    """Until the process has saved its first checkpoint, or ended."""
    before = newest(folder)
    while process.poll() is None and newest(folder) == before:
        time.sleep(0.01)


def newest(folder):
    try:
        return max((file.stat().st_mtime_ns for file in folder.glob("*.pt")), default=0)
    except FileNotFoundError:  # it was just replaced
        return -1


def kill_when(line, happens, times):
    """Start the program and kill it as soon as something happens for the so-and-so-manieth time.

    `happens(shown)` looks again and again; `shown` is what appeared on the terminal since the last look.
    """
    terminal, slave = os.openpty()  # bars are shown on terminals alone, if they have any columns
    termios.tcsetwinsize(terminal, (40, 120))
    os.set_blocking(terminal, False)
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=slave)
    before = False
    while times and process.poll() is None:
        now = happens(read(terminal))
        times -= now and not before
        before = now
        time.sleep(0.0005)
    process.kill()
    os.close(slave)
    os.close(terminal)
    assert process.wait() == -signal.SIGKILL, "it ended before"


def read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except BlockingIOError:
        return b""


def saving(folder):
    """Whether a checkpoint is being written."""
    return lambda _: (folder / "last.pt.tmp").exists()


def evaluating(_):
    """Whether the bar of an evaluation appears."""
    return lambda shown: b"detecting:   0%" in shown


@pytest.fixture(scope="module")
def undisturbed(home, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(command(home, output, workers=0, amp="off"), check=True, capture_output=True)
    return outcome(output / "run")


def test_killed_twice(home, undisturbed, tmp_path):
    start = command(home, tmp_path, workers=0, amp="off")
    run_with_kills(start, resume(tmp_path), tmp_path / "run", 2, random.Random(0))
    assert_same(tmp_path / "run", undisturbed)


def test_killed_in_a_save_and_in_an_evaluation(home, undisturbed, tmp_path):
    """The third save is the one within the first epoch, as the run is saved at its start too."""
    folder = tmp_path / "run"
    kill_when(command(home, tmp_path, workers=0, amp="off"), saving(folder), 3)
    kill_when(resume(tmp_path), evaluating(folder), 1)
    subprocess.run(resume(tmp_path), check=True, capture_output=True)
    assert_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("amp", ["off", "bf16"])
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_in_each_save_and_evaluation(home, tmp_path, workers, amp):
    """A frozen, an unfrozen and a clean epoch: saved at the start, twice within each and after it."""
    whole = tmp_path / "whole"
    subprocess.run(command(home, whole, workers=workers, amp=amp), check=True, capture_output=True)
    for happens, number in ((saving, 10), (evaluating, 3)):
        for times in range(1, number + 1):
            output = tmp_path / f"{happens.__name__}_{times}"
            start = command(home, output, workers=workers, amp=amp)
            kill_when(start, happens(output / "run"), times)
            again = start if not [*(output / "run").glob("*.pt")] else resume(output)
            if again is start:  # killed before there was anything to go on from
                shutil.rmtree(output)
            subprocess.run(again, check=True, capture_output=True)
            assert_same(output / "run", outcome(whole / "run"))


@pytest.mark.slow
@pytest.mark.parametrize("amp", ["off", "bf16"])
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_many_times(home, tmp_path, workers, amp):
    whole = tmp_path / "whole"
    subprocess.run(command(home, whole, workers=workers, amp=amp), check=True, capture_output=True)
    for seed in range(4):
        output = tmp_path / str(seed)
        start = command(home, output, workers=workers, amp=amp)
        run_with_kills(start, resume(output), output / "run", 2, random.Random(seed))
        assert_same(output / "run", outcome(whole / "run"))


def test_asked_to_stop_it_saves_and_says_how_to_go_on(home, undisturbed, tmp_path):
    line = command(home, tmp_path, workers=0, amp="off")
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_step(process, tmp_path / "run")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"python train.py --resume {tmp_path / 'run'}" in errors and "Traceback" not in errors
    script("train.py", "--resume", tmp_path / "run", cwd=home)
    assert_same(tmp_path / "run", undisturbed)


QUIET_START = """
import os, signal, sys
class Interrupting:  # the first package that is not the standard library's
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "tyro", "numpy"):
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
import runpy
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.py")))
def test_interrupted_in_its_imports_a_script_ends_quietly(name):
    """Ctrl+C while packages are imported, which takes seconds, shows no traceback."""
    line = [sys.executable, "-c", QUIET_START, str(ROOT / name)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
