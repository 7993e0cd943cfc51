"""Scripts in processes of their own, and what is left of them."""

import json
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from utils.system.lock import folder_lock
from utils.tune import trainings
from utils.tune.base_settings import BaseSettings
from utils.tune.budget import Budget
from utils.tune.trainings import TRAININGS, Trainer, TrainingError, clear_trainings, message_of, run_script


@pytest.fixture
def budget(tmp_path):
    return Budget(tmp_path / "used.json", 10)


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Scripts in place of train.py and get_map.py, which write what those would and print their flags."""
    monkeypatch.setattr(trainings, "ROOT", tmp_path)
    (tmp_path / "train.py").write_text(
        "import sys, pathlib\n"
        "words = sys.argv[1:]\n"
        "value = lambda flag: words[len(words) - 1 - words[::-1].index(flag) + 1]\n"
        "folder = pathlib.Path(value('--output'), value('--name'))\n"
        "folder.mkdir(parents=True)\n"
        "pathlib.Path('seen.txt').write_text(' '.join(words))\n"
        "folder.joinpath('metrics.csv').write_text('epoch,map50_95\\n1,0.25\\n2,0.5\\n3,\\n4,0.375\\n')\n"
    )
    (tmp_path / "get_map.py").write_text(
        "import sys, pathlib\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n"
        "folder.mkdir()\n"
        "pathlib.Path('seen.txt').write_text(' '.join(sys.argv[1:]))\n"
        "folder.joinpath('metrics.json').write_text('{\"coco\": {\"map\": 0.125}}')\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_flags_and_the_best_epoch(scripts, budget):
    trainer = Trainer(("--train", "a b.txt"), BaseSettings(), 12, ("test.txt",), scripts, budget)
    assert trainer.train({"lr": 0.5}, 4, 7, "trial_1_4").map50_95 == 0.5
    assert (scripts / "seen.txt").read_text() == (
        f"--train a b.txt --lr 0.5 --warmup-epochs 0.3333 --epochs 4 --seed 7 --output {scripts / TRAININGS} "
        "--name trial_1_4 --log none"
    )
    assert [*(scripts / TRAININGS).iterdir()] == [], "its folder is removed"
    assert trainer.measure({"lr": 0.5}, 8, "x").map50_95 == 0.125
    assert (scripts / "seen.txt").read_text().startswith("--data test.txt --weights ")
    assert [*(scripts / TRAININGS).iterdir()] == []
    assert 0 < json.loads((scripts / "used.json").read_text()) < 60


def test_the_message_of_a_failure():
    assert message_of("train.py", 2, "", "a warning\nerror: --lr must be above 0\nor so\n") == (
        "--lr must be above 0\nor so"
    )
    assert message_of("train.py", -9, "epoch 1/3", "") == "train.py ended with status -9: epoch 1/3"
    assert (
        message_of("train.py", 1, "", "Traceback: error: x")
        == "train.py ended with status 1: Traceback: error: x"
    )


def test_a_script_that_fails(scripts, budget):
    (scripts / "train.py").write_text("import sys\nsys.exit(print('error: no data', file=sys.stderr) or 2)")
    with pytest.raises(TrainingError, match=r"^no data$"):
        run_script("train.py", [], budget)


def test_a_training_that_is_still_running_is_not_removed(tmp_path):
    running, left = tmp_path / TRAININGS / "one", tmp_path / TRAININGS / "two"
    running.mkdir(parents=True)
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from utils.system.lock import folder_lock
with folder_lock(pathlib.Path({str(running)!r})):
    print(flush=True), sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        process.stdout.readline()
        with pytest.raises(ValueError, match=r"is still running in .*one"):
            clear_trainings(tmp_path)
        process.stdin.close()
    left.mkdir()
    with folder_lock(left):
        pass
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / TRAININGS / "link").symlink_to(victim)
    clear_trainings(tmp_path)
    assert [*(tmp_path / TRAININGS).iterdir()] == [] and victim.is_dir()


def test_a_link_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    (victim / "photos").mkdir(parents=True)
    (tmp_path / TRAININGS).symlink_to(victim)
    clear_trainings(tmp_path)
    assert (victim / "photos").is_dir() and not (tmp_path / TRAININGS).exists()
