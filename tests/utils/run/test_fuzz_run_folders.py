"""Run folders with contents that no training wrote: read, or refused by name.

BOXWRIGHT_FUZZ=100000 python -m pytest tests/utils/run/test_fuzz_run_folders.py tries more.
"""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets import preset
from tests.utils.altered_contents import altered
from tests.utils.fuzzing import fuzz, mutated, read_or_refuse
from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer
from train import Config
from utils.run.folder import changed_data, read_config, write_config
from utils.run.metrics_file import append_metrics, read_metrics, truncate_metrics
from utils.run.plot import plot_run
from utils.run.resume import LAST, Progress, plan_changes, restore_run, save_run
from utils.system.settings import flat_values

SEEDS = st.integers(0, 2**40)
TABLE = b"epoch,lr,loss,loss_box,map50,map50_95\r\n1,0.1,3.5,1.5,,0.25\r\n2,0.1,3.5,1.5,0.5,0.25\r\n"
ROW = {"epoch": 1, "lr": 0.1, "loss": 3.5, "loss_box": 1.5, "map50": "", "map50_95": 0.25, "seconds": 1e-3}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def record(index, tmp_path_factory):
    """The content of config.json."""
    folder = tmp_path_factory.mktemp("config")
    write_config(folder, flat_values(Config()), {"train": index})
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def read_settings(path, index):
    """Read config.json in all the ways in which a resumed training does."""
    config = read_config(path.parent, Config)
    changed_data(path.parent, {"train": index})
    write_config(path.parent, flat_values(Config()), {"train": index})
    try:
        plan_changes(flat_values(config), flat_values(Config()), path.parent)
    except ValueError as error:
        assert "--" in str(error), "the flag is named"


@fuzz
@given(SEEDS)
def test_altered_settings(tmp_path_factory, index, record, seed):
    path = tmp_path_factory.getbasetemp() / "config.json"
    content = altered(record if seed % 2 else record["config"], seed, tensors=False)
    path.write_text(json.dumps(content if seed % 2 else record | {"config": content}), encoding="utf-8")
    read_or_refuse(read_settings, path, index)


@fuzz
@given(st.data())
def test_damaged_settings(tmp_path_factory, index, record, data):
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_bytes(data.draw(mutated([json.dumps(record, indent=2).encode()])))
    read_or_refuse(read_settings, path, index)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"config": ' * 50_000, "9" * 5000, "[]", "null"])
def test_endless_settings(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        read_config(tmp_path, Config)


def use_metrics(path):
    """Read and write metrics.csv as a training does."""
    folder = path.parent
    truncate_metrics(folder, 2)
    append_metrics(folder, ROW)
    read_metrics(folder)


@fuzz
@given(st.data())
def test_damaged_metrics(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "metrics.csv"
    path.write_bytes(data.draw(mutated([TABLE])))
    read_or_refuse(use_metrics, path)


@settings(fuzz, max_examples=max(fuzz.max_examples // 20, 3))
@given(st.data())
def test_curves_of_damaged_metrics(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "metrics.csv"
    path.write_bytes(data.draw(mutated([TABLE])))
    read_or_refuse(lambda path: plot_run(path.parent), path)


@pytest.fixture(scope="module")
def trainer(index):
    return make_trainer(index, (replace(PHASE, epochs=3),))


@pytest.fixture(scope="module")
def state(trainer, tmp_path_factory):
    """The content of last.pt after a step."""
    path = tmp_path_factory.mktemp("run") / LAST
    trainer.step(next(iter(trainer.start_epoch(trainer.phases[0], 0))))
    save_run(path, trainer, preset("yolox_nano"), Progress())
    return torch.load(path, weights_only=True)


@settings(fuzz, max_examples=max(fuzz.max_examples // 4, 15))
@given(SEEDS)
def test_altered_states(tmp_path_factory, trainer, state, seed):
    path = tmp_path_factory.getbasetemp() / "resumed" / LAST
    path.parent.mkdir(exist_ok=True)
    torch.save(altered(state, seed), path)
    try:
        restore_run(trainer, path.parent)
    except ValueError as error:
        assert str(path.parent) in str(error) or "--epochs" in str(error), error
