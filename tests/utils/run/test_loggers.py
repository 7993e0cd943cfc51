"""Experiment trackers: the real TensorBoard, and fakes of the two optional clients."""

import json
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from utils.run.loggers import Experiments, check_loggers, open_experiments

CONFIG = {"epochs": 3, "lr": None, "train": ["a.txt", "b.txt"]}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "logs" / "first"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"config": CONFIG, "versions": {}}))
    return folder


class Fake(ModuleType):
    """A client that records its calls, and fails in the call named by `broken`."""

    def __init__(self, name, *calls):
        super().__init__(name)
        self.seen, self.broken = [], ""
        for call in calls:
            setattr(self, call, lambda *args, call=call, **kwargs: self.call(call, *args, **kwargs))

    def call(self, name, *args, **kwargs):
        if name == self.broken:
            raise ConnectionError(f"no {name}\nand a long explanation")
        self.seen.append((name, *args, kwargs))

    def of(self, name):
        return [rest for call, *rest in self.seen if call == name]


@pytest.fixture
def wandb(monkeypatch):
    fake = Fake("wandb")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "9")  # so that it is put back

    def init(**kwargs):
        fake.call("init", kwargs)
        run = SimpleNamespace(id=kwargs["id"] or "w1")
        run.log = lambda metrics, step: fake.call("log", metrics, step)
        run.finish = lambda exit_code: fake.call("finish", exit_code)
        return run

    fake.init = init
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def mlflow(monkeypatch):
    calls = ("set_tracking_uri", "set_experiment", "log_params", "log_metrics", "end_run")
    fake = Fake("mlflow", *calls)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

    def start_run(run_id=None, run_name=None):
        fake.call("start_run", run_id, run_name)
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "m1"))

    fake.start_run = start_run
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return fake


def scalars(folder, name):
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


# What is there


def test_what_is_installed_is_taken(wandb, mlflow):
    check_loggers(("tensorboard", "wandb", "mlflow"))
    check_loggers(("none",))
    check_loggers(())


def test_what_is_not_installed_is_named_with_the_command(monkeypatch):
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match="not installed: pip install wandb mlflow"):
        check_loggers(("wandb", "tensorboard", "mlflow"))
    with pytest.raises(ValueError, match=r"pip install mlflow$"):
        check_loggers(("mlflow",))


def test_a_folder_of_its_name_is_not_the_package(monkeypatch):
    """W&B creates one where it is used, and Python would import it."""
    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    with pytest.raises(ValueError, match="pip install wandb"):
        check_loggers(("wandb",))


def test_none_beside_others(wandb):
    with pytest.raises(ValueError, match="--log none wandb: none cannot be combined with others"):
        check_loggers(("none", "wandb"))


def test_nothing_is_imported_that_is_not_asked_for(folder, monkeypatch):
    for name in ("wandb", "mlflow", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)  # to import them fails
    for names in ((), ("none",)):
        with open_experiments(names, folder, 0) as experiments:
            experiments.log({"loss": 1.0}, 1)
    assert [path.name for path in folder.iterdir()] == ["config.json"]


# TensorBoard


def test_tensorboard_has_each_epoch_once_after_an_interruption(folder):
    with open_experiments(("tensorboard",), folder, 0) as experiments:
        for epoch, loss in enumerate([4.0, 3.0, 9.0], 1):
            experiments.log({"loss": loss, "map50": 0.5}, epoch)
    time.sleep(1.1)  # files are read in the order of their names, which hold the second
    with open_experiments(("tensorboard",), folder, 2) as experiments:  # killed before epoch 3 was saved
        experiments.log({"loss": 2.0}, 3)
    assert scalars(folder, "loss") == [(1, 4.0), (2, 3.0), (3, 2.0)]
    assert scalars(folder, "map50") == [(1, 0.5), (2, 0.5)]


def test_tensorboard_has_the_settings_once(folder):
    for done in (0, 1):
        with open_experiments(("tensorboard",), folder, done) as experiments:
            experiments.log({"loss": 2.0}, done + 1)
    events = EventAccumulator(str(folder))
    events.Reload()
    (text,) = events.Tensors("config/text_summary")
    assert b'"train": [\n    "a.txt",' in text.tensor_proto.string_val[0]


# Weights & Biases


def test_wandb_has_settings_figures_and_the_end(folder, wandb, monkeypatch):
    with open_experiments(("wandb",), folder, 0) as experiments:
        experiments.log({"loss": 2.0}, 1)
    ((settings, _),) = wandb.of("init")
    assert (settings["project"], settings["name"], settings["id"]) == ("boxwright", "first", None)
    assert settings["config"] == CONFIG and settings["dir"] == str(folder)
    assert wandb.of("log") == [[{"loss": 2.0, "epoch": 1}, 1, {}]] and wandb.of("finish") == [[0, {}]]
    assert json.loads((folder / "experiments.json").read_text()) == {"wandb": "w1"}
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    open_experiments(("wandb",), folder, 1)
    settings = wandb.of("init")[1][0]
    assert (settings["project"], settings["id"], settings["resume"]) == ("mine", "w1", "allow")


@pytest.mark.parametrize("content", ["{", "[]", '{"wandb": 3}', "[" * 100_000])
def test_ids_that_cannot_be_read(folder, wandb, content):
    (folder / "experiments.json").write_text(content)
    with pytest.raises(ValueError, match=r"experiments\.json cannot be read .*: remove it"):
        open_experiments(("wandb",), folder, 1)
    assert wandb.of("init") == [] and (folder / "experiments.json").read_text() == content


def test_a_run_that_was_cut_off_is_not_said_to_be_complete(folder, wandb, mlflow):
    with pytest.raises(KeyboardInterrupt), open_experiments(("wandb", "mlflow"), folder, 0):
        raise KeyboardInterrupt
    assert wandb.of("finish") == [[1, {}]] and mlflow.of("end_run") == [["KILLED", {}]]


# MLflow


def test_mlflow_has_settings_figures_and_the_end(folder, mlflow):
    with open_experiments(("mlflow",), folder, 0) as experiments:
        experiments.log({"loss": 2.0}, 1)
    store = (folder.parent / "mlflow.db").as_posix()
    assert mlflow.of("set_tracking_uri") == [[f"sqlite:///{store}", {}]]
    assert mlflow.of("set_experiment") == [["boxwright", {}]] and mlflow.of("log_params") == [[CONFIG, {}]]
    assert mlflow.of("log_metrics") == [[{"loss": 2.0}, {"step": 1}]]
    assert mlflow.of("end_run") == [["FINISHED", {}]]
    with open_experiments(("mlflow",), folder, 1):
        pass
    assert mlflow.of("start_run") == [[None, "first", {}], ["m1", None, {}]]
    assert len(mlflow.of("log_params")) == 1  # they cannot be set twice


def test_mlflow_goes_where_the_environment_says(folder, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    open_experiments(("mlflow",), folder, 0)
    assert not mlflow.of("set_tracking_uri") and not mlflow.of("set_experiment")


# What fails


def test_one_that_fails_is_told_of_once_and_the_others_go_on(folder, wandb, mlflow, capsys):
    with open_experiments(("wandb", "mlflow"), folder, 0) as experiments:
        experiments.log({"loss": 3.0}, 1)
        wandb.broken = "log"
        experiments.log({"loss": 2.0}, 2)
        experiments.log({"loss": 1.0}, 3)
    assert capsys.readouterr().out.splitlines() == [
        "note: logging to wandb stopped (no log); metrics.csv still has all metrics"
    ]
    assert [step for _, step, _ in wandb.of("log")] == [1] and not wandb.of("finish")
    assert [rest["step"] for _, rest in mlflow.of("log_metrics")] == [1, 2, 3]


def test_one_that_fails_at_the_end_does_not_hide_why_it_ended(folder, mlflow, capsys):
    mlflow.broken = "end_run"
    with pytest.raises(ZeroDivisionError), open_experiments(("mlflow",), folder, 0):
        raise ZeroDivisionError
    assert "logging to mlflow stopped" in capsys.readouterr().out


def test_a_new_run_does_not_start_without_what_was_asked_for(folder, wandb, mlflow):
    mlflow.broken = "start_run"
    with pytest.raises(ValueError, match=r"--log mlflow cannot start: no start_run$"):
        open_experiments(("wandb", "mlflow"), folder, 0)
    assert wandb.of("finish") == [[1, {}]]


def test_a_run_that_goes_on_does_so_without(folder, mlflow, capsys):
    open_experiments(("mlflow",), folder, 0)
    mlflow.broken = "start_run"
    with open_experiments(("mlflow", "tensorboard"), folder, 1) as experiments:
        experiments.log({"loss": 1.0}, 2)
    assert "note: logging to mlflow stopped" in capsys.readouterr().out
    assert scalars(folder, "loss") == [(2, 1.0)]


def test_an_error_without_a_text_is_named_by_its_kind(capsys):
    def fail(metrics, epoch):
        raise TimeoutError

    Experiments({"far": SimpleNamespace(log=fail)}).log({"loss": 1.0}, 1)
    assert capsys.readouterr().out.startswith("note: logging to far stopped (TimeoutError)")
