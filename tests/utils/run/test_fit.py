"""The training loop with its files: resuming, early stopping, the best checkpoint."""

import os
import re
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nets import preset
from tests.helpers import MACHINE_COLUMNS
from tests.utils.train.tiny_training import PHASE, SIDE, copied, drawn_index, make_trainer, same_bits
from utils.data.index import select_images
from utils.inference.detect_dataset import detect_dataset
from utils.inference.optimize import for_inference
from utils.run import epoch_log
from utils.run import fit as training_loop
from utils.run.fit import fit
from utils.run.folder import hash_index, write_config
from utils.run.loggers import Experiments
from utils.run.metrics_file import read_metrics
from utils.run.resume import Progress, restore_run, save_run
from utils.run.run_evaluation import Evaluation, conclude, evaluate_best, evaluate_run
from utils.run.settings import Run, RunSettings
from utils.train.epoch_state import EpochState
from utils.weights.checkpoint import load_checkpoint

PHASES = (replace(PHASE, epochs=2, frozen=("backbone",)), PHASE)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


def run_in(folder, **changes):
    folder.mkdir(exist_ok=True)
    return Run(folder, preset("yolox_nano"), eval_batch_size=2, settings=RunSettings(**changes))


@pytest.fixture(scope="module")
def whole(index, tmp_path_factory):
    """Return the folder of an uninterrupted run of three epochs, with a checkpoint of each."""
    folder = tmp_path_factory.mktemp("whole")
    trainer = make_trainer(index, PHASES)
    fit(trainer, index, run_in(folder, save_period=1), Progress())
    return folder


def test_what_is_in_the_folder(whole):
    names = {path.name for path in whole.iterdir() if not path.name.startswith("events.out.tfevents")}
    images = {"curves.png", "train_batch.jpg"}
    epochs = {f"epoch_00{number}.pt" for number in (1, 2, 3)}
    assert names == {"metrics.csv", "best.pt", "last.pt", "previous.pt", *images, *epochs}
    assert any(path.name.startswith("events.out.tfevents") for path in whole.iterdir())


def test_rows_of_the_figures(whole):
    metrics = read_metrics(whole)
    losses = [
        f"{kind}_{name}" for kind in ("loss", "val_loss") for name in ("box", "objectness", "class", "l1")
    ]
    expected = ["epoch", "lr", "loss", *losses, "map50", "map50_95", "images_per_second", "seconds"]
    expected += ["left_out", "waiting", "memory", "memory_left", "val_data"]
    assert list(metrics) == expected
    assert metrics["epoch"] == [1, 2, 3]
    parts = sum(metrics[name][1] for name in losses[:4])
    assert metrics["loss"][1] == pytest.approx(parts)
    assert all(value > 0 for value in metrics["seconds"] + metrics["images_per_second"])
    assert metrics["left_out"] == [0, 0, 0] and all(0 < value < 1 for value in metrics["waiting"])


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_resumed_run_is_the_run_that_was_never_interrupted(index, whole, tmp_path, epoch):
    """Killed in the next epoch: last.pt is of `epoch`, and metrics.csv may already hold a row more."""
    shutil.copy(whole / f"epoch_00{epoch}.pt", tmp_path / "last.pt")
    shutil.copy(whole / "metrics.csv", tmp_path)
    trainer = make_trainer(index, PHASES, weights_seed=99)  # other weights than the run had at its start
    progress = restore_run(trainer, tmp_path)
    assert (progress.epoch, trainer.steps) == (epoch, 2 * epoch)
    fit(trainer, index, run_in(tmp_path), progress)
    first, second = (load_checkpoint(folder / "last.pt") for folder in (whole, tmp_path))
    assert same_bits(first["model"], second["model"]) and same_bits(first["ema"], second["ema"])
    momenta = [checkpoint["optimizer"]["state"] for checkpoint in (first, second)]
    assert momenta[0].keys() == momenta[1].keys() and len(momenta[0]) > 100
    for key in momenta[0]:
        assert torch.equal(momenta[0][key]["momentum_buffer"], momenta[1][key]["momentum_buffer"])
    for name in ("epoch", "step", "best", "best_epoch", "evaluations_since_best", "scaler"):
        assert first[name] == second[name], name
    rows, again = read_metrics(whole), read_metrics(tmp_path)
    for name in rows.keys() - MACHINE_COLUMNS:
        assert str(rows[name]) == str(again[name]), name  # as text: NaN is NaN


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_stages_and_rates_by_layer_go_on_as_they_were(index, tmp_path, optimizer):
    phases = (replace(PHASE, epochs=1, frozen=("backbone:2",)), replace(PHASE, epochs=2))
    settings = {"optimizer": optimizer, "layer_decay": 0.7}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(make_trainer(index, phases, **settings), index, run_in(whole, save_period=1), Progress())
    for epoch in (1, 2):
        cut.mkdir(exist_ok=True)
        shutil.copy(whole / f"epoch_00{epoch}.pt", cut / "last.pt")
        trainer = make_trainer(index, phases, weights_seed=99, **settings)
        fit(trainer, index, run_in(cut), restore_run(trainer, cut))
        first, second = (load_checkpoint(folder / "last.pt") for folder in (whole, cut))
        assert same_bits(first["model"], second["model"]) and same_bits(first["ema"], second["ema"])
        assert first["optimizer"]["param_groups"] == second["optimizer"]["param_groups"]
        for key, state in first["optimizer"]["state"].items():
            assert same_bits(state, second["optimizer"]["state"][key])
        shutil.rmtree(cut)


def test_going_on_with_another_weight_decay_and_other_stages(index, whole, tmp_path):
    shutil.copy(whole / "epoch_002.pt", tmp_path / "last.pt")
    changed = (PHASES[0], replace(PHASE, frozen=("backbone:2",)))
    trainer = make_trainer(index, changed, weight_decay=0.5)
    restore_run(trainer, tmp_path)
    momenta = {name: trainer.optimizer.state[p] for name, p in trainer.detector.named_parameters()}
    saved = load_checkpoint(whole / "epoch_002.pt")["optimizer"]
    for group in saved["param_groups"]:
        for name, number in zip(group["names"], group["params"], strict=True):
            assert same_bits(momenta[name], saved["state"][number])
    assert {group["weight_decay"] for group in trainer.optimizer.param_groups} == {0.5, 0.0}


def test_a_finished_run_has_nothing_to_restore_run(index, whole, tmp_path):
    shutil.copy(whole / "last.pt", tmp_path)
    trainer = make_trainer(index, PHASES)
    progress = fit(trainer, index, run_in(tmp_path), restore_run(trainer, tmp_path))
    assert progress.epoch == 3 and trainer.steps == 6
    assert not (tmp_path / "metrics.csv").exists()


def test_a_damaged_checkpoint_gives_way_to_the_one_before(index, whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    content = bytearray((tmp_path / "last.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "last.pt").write_bytes(content)
    progress = restore_run(make_trainer(index, PHASES), tmp_path)
    assert progress.epoch == 2
    output = capsys.readouterr().out
    assert "last.pt is damaged" in output and "resuming from" in output and "previous.pt, of step 4" in output
    (tmp_path / "previous.pt").unlink()
    with pytest.raises(ValueError, match=r"last\.pt is damaged"):
        restore_run(make_trainer(index, PHASES), tmp_path)


def test_a_checkpoint_of_an_earlier_version_is_refused(index, whole, tmp_path):
    content = load_checkpoint(whole / "last.pt")
    del content["within"]
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(ValueError, match=r"earlier version, without within: .*--weights .*last\.pt"):
        restore_run(make_trainer(index, PHASES), tmp_path)
    content = load_checkpoint(whole / "last.pt")
    for group in content["optimizer"]["param_groups"]:
        del group["names"]
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(ValueError, match=r"without names of parameters: .*--weights .*last\.pt"):
        restore_run(make_trainer(index, PHASES), tmp_path)


def scripted(monkeypatch, trainer, maps):
    """Replace epochs by single fake steps and evaluations by these mAPs; returns the trained epochs."""
    trained, values = [], iter(maps)
    batch = SimpleNamespace(images=torch.zeros(2), skipped=[])

    def start_epoch(phase, epoch, first_batch=0):
        trained.append(epoch + 1)
        trainer.phase = phase
        return [batch]

    def step(batch):
        trainer.steps += 2
        return {"box": torch.tensor(float(epoch_of(trained)))}

    def evaluate(*_):
        value = next(values)
        return Evaluation(
            SimpleNamespace(map50=1.0 - value, map50_95=value), {"box": 9.0 - epoch_of(trained)}
        )

    monkeypatch.setattr(trainer, "start_epoch", start_epoch)
    monkeypatch.setattr(trainer, "step", step)
    monkeypatch.setattr(training_loop, "evaluate_run", evaluate)
    monkeypatch.setattr(epoch_log, "plot_run", lambda folder: None)
    return trained


def epoch_of(trained):
    return trained[-1]


def test_best_is_by_map_over_all_overlaps(index, tmp_path, monkeypatch):
    """Not by mAP50, which falls here as it rises, nor by a loss."""
    trainer = make_trainer(index, [replace(PHASE, epochs=5)])
    scripted(monkeypatch, trainer, [0.1, 0.4, 0.3, 0.4, 0.2])
    progress = fit(trainer, index, run_in(tmp_path), Progress())
    assert (progress.best, progress.best_epoch, progress.evaluations_since_best) == (0.4, 2, 3)
    best, last = (load_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert (best["epoch"], best["best"], best["best_epoch"]) == (2, 0.4, 2)
    assert (last["epoch"], last["best"], last["best_epoch"], last["evaluations_since_best"]) == (5, 0.4, 2, 3)


def test_the_best_is_remembered_when_resuming(index, tmp_path, monkeypatch):
    trainer = make_trainer(index, [replace(PHASE, epochs=2)])
    scripted(monkeypatch, trainer, [0.5, 0.1])
    fit(trainer, index, run_in(tmp_path), Progress())
    longer = make_trainer(index, [replace(PHASE, epochs=4)])
    scripted(monkeypatch, longer, [0.4, 0.45])
    fit(longer, index, run_in(tmp_path), restore_run(longer, tmp_path))
    assert load_checkpoint(tmp_path / "best.pt")["epoch"] == 1


def test_patience(index, tmp_path, monkeypatch, capsys):
    trainer = make_trainer(index, [replace(PHASE, epochs=4), replace(PHASE, epochs=4)])
    trained = scripted(monkeypatch, trainer, [0.1, 0.3, 0.2, 0.3, 0.2, 0.9, 0.9, 0.9])
    progress = fit(trainer, index, run_in(tmp_path, patience=3), Progress())
    assert trained == [1, 2, 3, 4, 5] and progress.best_epoch == 2  # the phase after it does not begin anew
    assert "early stopping: no better mAP in 3 evaluations" in capsys.readouterr().out


def test_evaluated_now_and_then_and_at_the_end(index, tmp_path, monkeypatch):
    trainer = make_trainer(index, [replace(PHASE, epochs=5)])
    scripted(monkeypatch, trainer, [0.1, 0.2, 0.3])
    fit(trainer, index, run_in(tmp_path, eval_period=2, save_period=2), Progress())
    text = [str(value) for value in read_metrics(tmp_path)["map50_95"]]
    assert text == ["nan", "0.1", "nan", "0.2", "0.3"]
    assert sorted(path.name for path in tmp_path.glob("epoch_*.pt")) == ["epoch_002.pt", "epoch_004.pt"]


def test_the_best_weights_are_measured_at_the_end(index, whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    trainer = make_trainer(index, PHASES, weights_seed=5)
    metrics = conclude(trainer, index, run_in(tmp_path))
    best = load_checkpoint(tmp_path / "best.pt")
    assert same_bits(trainer.evaluated.state_dict(), best["ema"])
    assert (tmp_path / "predictions.jpg").is_file() and metrics.map50_95 == best["best"]
    output = capsys.readouterr().out
    assert f"of epoch {best['best_epoch']}, on 4 images" in output
    assert f"--weights {tmp_path / 'best.pt'}" in output


LINES = ("epoch 1/6 box 1.000 |", "epoch 2/6 box 2.000 | mAP50 0.9000 mAP50-95 0.1000 (best) |")


@pytest.mark.parametrize("width", [200, 30])
def test_on_a_terminal_an_epoch_is_a_row_where_it_fits(index, tmp_path, monkeypatch, capsys, width):
    """The heading stands over the first row of a phase, and again when it may have left the screen."""
    trainer = make_trainer(index, [replace(PHASE, epochs=4), replace(PHASE, name="next", epochs=2)])
    scripted(monkeypatch, trainer, [0.1] * 3)
    monkeypatch.setattr(epoch_log, "HEADER_EVERY", 3)
    terminal = SimpleNamespace(isatty=lambda: True, write=sys.stdout.write, flush=sys.stdout.flush)
    monkeypatch.setattr(epoch_log.sys, "stdout", terminal)
    monkeypatch.setattr(epoch_log.shutil, "get_terminal_size", lambda: os.terminal_size((width, 24)))
    fit(trainer, index, run_in(tmp_path, eval_period=2, log=()), Progress())
    lines = capsys.readouterr().out.splitlines()
    if width == 30:
        assert all(any(line.startswith(start) for line in lines) for start in LINES)
        assert not any(line.split()[:2] == ["epoch", "box"] for line in lines)
        return
    heads = [number for number, line in enumerate(lines) if line.split()[:2] == ["epoch", "box"]]
    assert [lines[number + 1].split()[0] for number in heads] == ["1/6", "4/6", "5/6"]
    assert lines[heads[0] + 2].split()[:5] == ["2/6", "2.000", "0.9000", "0.1000", "*"]


def test_in_a_file_an_epoch_is_a_line(index, tmp_path, monkeypatch, capsys):
    trainer = make_trainer(index, [replace(PHASE, epochs=6)])
    scripted(monkeypatch, trainer, [0.1] * 3)
    fit(trainer, index, run_in(tmp_path, eval_period=2, log=()), Progress())
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(start) for line in lines) for start in LINES)


def test_a_notice_is_said_once_also_when_resuming(index, tmp_path, monkeypatch, capsys):
    """The loss rises by 1 an epoch from 1, the first of warm-up: in epoch 7 from (2 + 3 + 4) / 3 to 6."""
    trainer = make_trainer(index, [replace(PHASE, epochs=9)])
    scripted(monkeypatch, trainer, [0.1] * 9)
    fit(trainer, index, run_in(tmp_path, log=()), Progress())
    lines = capsys.readouterr().out.splitlines()
    said = [number for number, line in enumerate(lines) if "notice: the loss has risen from 3.000" in line]
    assert len(said) == 1 and lines[said[0] - 1].startswith("epoch 7/9") and "to 6.000" in lines[said[0]]
    assert load_checkpoint(tmp_path / "last.pt")["notices_given"] == ["learning rate"]
    longer = make_trainer(index, [replace(PHASE, epochs=12)])
    scripted(monkeypatch, longer, [0.1] * 3)
    fit(longer, index, run_in(tmp_path, log=()), restore_run(longer, tmp_path))
    output = capsys.readouterr().out
    assert "epoch 12/12" in output and "has risen" not in output


def test_a_checkpoint_with_earlier_names_is_resumed(index, whole, tmp_path):
    content = load_checkpoint(whole / "last.pt")
    content["waited"] = content.pop("evaluations_since_best") + 7
    content["told"] = [*content.pop("notices_given"), "leak"]
    within = content["within"]
    within |= {"batches": 1, "images": 2, "waited": 1.5, "skipped": ["a.jpg"], "bad_told": 0}
    for name in ("data_wait_seconds", "unreadable", "nonfinite_reported"):
        del within[name]
    torch.save(content | {"epoch": 2}, tmp_path / "last.pt")
    progress = restore_run(make_trainer(index, PHASES), tmp_path)
    assert progress.evaluations_since_best >= 7 and progress.notices_given[-1] == "leak"
    assert (progress.within.data_wait_seconds, progress.within.unreadable) == (1.5, ["a.jpg"])


def test_a_checkpoint_without_notices_and_waits_is_resumed(index, whole, tmp_path):
    content = load_checkpoint(whole / "last.pt")
    del content["notices_given"], content["within"]["data_wait_seconds"]
    torch.save(content, tmp_path / "last.pt")
    progress = restore_run(make_trainer(index, PHASES), tmp_path)
    assert progress.notices_given == [] and progress.within.data_wait_seconds == 0.0


def test_figures_go_to_the_experiments_and_the_end_is_told(index, tmp_path, monkeypatch):
    """All values of metrics.csv, by epoch, without a column for the epoch itself."""
    seen, ends = [], []
    monkeypatch.setattr(
        epoch_log,
        "open_experiments",
        lambda names, folder, done: Experiments(
            {"a": SimpleNamespace(log=lambda *taken: seen.append(taken), finish=ends.append)}
        ),
    )
    trainer = make_trainer(index, [replace(PHASE, epochs=2)])
    scripted(monkeypatch, trainer, [0.25])
    fit(trainer, index, run_in(tmp_path, eval_period=2), Progress())
    assert [epoch for _, epoch in seen] == [1, 2] and ends == [True]
    assert "map50_95" not in seen[0][0] and seen[1][0]["map50_95"] == 0.25
    assert seen[1][0].keys() == read_metrics(tmp_path).keys() - {"epoch"}
    trainer = make_trainer(index, [replace(PHASE, epochs=2)])
    monkeypatch.setattr(trainer, "start_epoch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(trainer, index, run_in(tmp_path), Progress())
    assert ends == [True, False]


def test_figures_of_training_are_those_of_the_weights_saved(index, whole):
    """The last row of metrics.csv agrees with evaluating last.pt again."""
    trainer = make_trainer(index, PHASES, weights_seed=7)
    resume_from = load_checkpoint(whole / "last.pt")
    trainer.evaluated.load_state_dict(resume_from["ema"])
    detector, settings = for_inference(trainer.evaluated, None), trainer.settings.detect
    losses = detect_dataset(detector, index, (SIDE, SIDE), 2, 0, settings, detector.losses).losses
    rows = read_metrics(whole)
    for name, value in losses.items():
        assert str(value) == str(rows[f"val_loss_{name}"][-1])


def test_a_plan_that_grows(index, whole, tmp_path):
    """Of 2 frozen and 1 other epochs with batches of 2, to 3 and 2 with batches of 4: one step an epoch."""
    shutil.copy(whole / "last.pt", tmp_path)
    longer = (
        replace(PHASE, epochs=3, frozen=("backbone",), batch_size=4),
        replace(PHASE, epochs=2, batch_size=4),
    )
    trainer = make_trainer(index, longer)
    progress = restore_run(trainer, tmp_path)
    assert (progress.epoch, trainer.steps, trainer.schedule.total_steps) == (3, 3, 5)
    fit(trainer, index, run_in(tmp_path), progress)
    last = load_checkpoint(tmp_path / "last.pt")
    assert (last["epoch"], last["step"]) == (5, 5)
    assert read_metrics(tmp_path)["epoch"] == [4, 5]


def one_step(trainer):
    """Return the state of the first epoch after its first batch."""
    state = EpochState()
    batch = next(iter(trainer.start_epoch(PHASE, 0)))
    state.add(batch, trainer.step(batch), seconds=1.0)
    return state


def test_another_batch_in_the_middle_of_an_epoch(index, tmp_path):
    """One batch of 2 of 4 images is done: with batches of 1, two of four."""
    trainer = make_trainer(index, [PHASE])
    within = one_step(trainer)
    save_run(tmp_path / "last.pt", trainer, preset("yolox_nano"), Progress(within=within))
    smaller = make_trainer(index, [replace(PHASE, batch_size=1)])
    progress = restore_run(smaller, tmp_path)
    assert (progress.within.batches, smaller.steps) == (2, 2)
    assert progress.within.means() == pytest.approx(within.means())
    fit(smaller, index, run_in(tmp_path), progress)
    assert smaller.steps == 4
    other = restore_run(make_trainer(index, [PHASE]), tmp_path)
    assert other.epoch == 1


def test_with_other_images_the_epoch_begins_anew(index, tmp_path):
    trainer = make_trainer(index, [PHASE])
    within = one_step(trainer)
    progress = Progress(within=within)
    progress.set_data(index, index)
    save_run(tmp_path / "last.pt", trainer, preset("yolox_nano"), progress)
    assert restore_run(trainer, tmp_path).within.batches == 1
    trainer.train_index = select_images(index, np.array([True, True, True, False]))
    assert restore_run(trainer, tmp_path).within.batches == 0 and trainer.steps == 0


def test_on_other_validation_data_the_best_weights_are_measured_anew(index, tmp_path, capsys, monkeypatch):
    """The mAP falls from 0.9 to what weights of a single step reach, without which 0.3 is no best."""
    trainer = make_trainer(index, [PHASE])
    scripted(monkeypatch, trainer, [0.9])
    fit(trainer, index, run_in(tmp_path), Progress())
    fewer = select_images(index, np.array([True, True, False, True]))
    longer = make_trainer(index, [replace(PHASE, epochs=2)])
    scripted(monkeypatch, longer, [0.3])
    progress = fit(longer, fewer, run_in(tmp_path, patience=1), restore_run(longer, tmp_path))
    assert (progress.best, progress.best_epoch, progress.val_data) == (0.3, 2, 2)
    assert read_metrics(tmp_path)["val_data"] == [1, 2]
    said = r"of epoch 1, have mAP50-95 0\.\d{4}; on the data before, epoch 1 had 0\.9000"
    assert re.search(said, capsys.readouterr().out)
    assert load_checkpoint(tmp_path / "last.pt")["val_sha256"] == hash_index(fewer)


def test_the_best_weights_on_other_validation_data_are_those_of_best_pt(index, whole, tmp_path):
    fewer = select_images(index, np.array([True, True, False, True]))
    shutil.copy(whole / "best.pt", tmp_path)
    trainer = make_trainer(index, PHASES, weights_seed=7)
    before = copied(trainer.evaluated.state_dict())
    found = evaluate_best(trainer, fewer, run_in(tmp_path))
    assert same_bits(before, trainer.evaluated.state_dict())
    state = load_checkpoint(whole / "best.pt")
    trainer.evaluated.load_state_dict(state["ema"])
    assert found == (evaluate_run(trainer, fewer, run_in(tmp_path)).metrics.map50_95, state["best_epoch"])


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_without_best_weights_nothing_is_compared(index, tmp_path, capsys, monkeypatch, content):
    trainer = make_trainer(index, [PHASE])
    scripted(monkeypatch, trainer, [0.9])
    fit(trainer, index, run_in(tmp_path), Progress())
    (tmp_path / "best.pt").unlink()
    if content:
        (tmp_path / "best.pt").write_bytes(content)
    longer = make_trainer(index, [replace(PHASE, epochs=2)])
    scripted(monkeypatch, longer, [0.0])
    fewer = select_images(index, np.array([True, True, False, True]))
    progress = fit(longer, fewer, run_in(tmp_path), restore_run(longer, tmp_path))
    assert (progress.best, progress.best_epoch) == (0.0, 2)
    assert "best.pt cannot be read: the next evaluation counts as the best" in capsys.readouterr().out


def test_a_checkpoint_of_before_has_the_hashes_of_config_json(index, whole, tmp_path):
    content = load_checkpoint(whole / "epoch_002.pt")
    del content["val_data"], content["train_sha256"], content["val_sha256"]
    torch.save(content, tmp_path / "last.pt")
    write_config(tmp_path, {}, {"train": index, "val": index})
    progress = restore_run(make_trainer(index, PHASES), tmp_path)
    assert (progress.val_data, progress.train_sha256, progress.val_sha256) == (1, *[hash_index(index)] * 2)


def test_a_plan_that_is_over(index, whole, tmp_path):
    shutil.copy(whole / "last.pt", tmp_path)
    with pytest.raises(ValueError, match="--epochs 1: the run has already trained for 3"):
        restore_run(make_trainer(index, [PHASE]), tmp_path)


def test_other_classes_are_another_run(index, whole, tmp_path):
    shutil.copy(whole / "last.pt", tmp_path)
    trainer = make_trainer(index, PHASES)
    trainer.train_index = replace(index, class_names=("up", "down"))
    with pytest.raises(
        ValueError, match=r"has the classes left, right, the data has up, down: start a new run"
    ):
        restore_run(trainer, tmp_path)
