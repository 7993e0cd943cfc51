"""Where the figures of a run go beside its folder: TensorBoard, Weights & Biases, MLflow.

The packages of the latter two are extras, and imported only where they are asked for.
"""

import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, Protocol, Self

from utils.system.files import replacing

LogName = Literal["tensorboard", "wandb", "mlflow", "none"]
EXTRAS = {"wandb": "init", "mlflow": "start_run"}  # packages, and what they have if they are there
PROJECT = "boxwright"
IDS = "experiments.json"  # in the run's folder: under which ids the run goes on elsewhere


class Experiment(Protocol):
    """One place that takes the figures of a run."""

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Take the figures of an epoch, which are counted from 1."""

    def finish(self, complete: bool) -> None:
        """Send what is left; `complete` says whether the run has reached its end."""


class TensorBoardLog:
    """Event files in the run's folder; what an interrupted run wrote of later epochs no longer counts."""

    def __init__(self, folder: Path, config: Mapping[str, Any], epochs_done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder, purge_step=epochs_done + 1)
        if epochs_done == 0 and config:
            text = json.dumps(config, indent=2, ensure_ascii=False)
            self.writer.add_text("config", f"```json\n{text}\n```", 0)

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """See `Experiment`."""
        for name, value in figures.items():
            self.writer.add_scalar(name, value, epoch)

    def finish(self, complete: bool) -> None:
        """See `Experiment`."""
        self.writer.close()


class WandbLog:
    """A run of Weights & Biases, in the project that WANDB_PROJECT names; the epoch is its step.

    Epochs that it has already, from before an interruption, it leaves as they are.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], run_id: str | None) -> None:
        # By default it waits for the network without end; what it has not sent, `wandb sync` sends later.
        os.environ.setdefault("WANDB_FINISH_TIMEOUT", "300")
        self.run = _package("wandb").init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            dir=str(folder),
            config=dict(config),
            allow_val_change=True,  # flags may change the plan of a run that goes on
            id=run_id,
            resume="allow",
        )
        self.run_id: str = self.run.id

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """See `Experiment`."""
        self.run.log({**figures, "epoch": epoch}, step=epoch)

    def finish(self, complete: bool) -> None:
        """See `Experiment`."""
        self.run.finish(exit_code=0 if complete else 1)


class MlflowLog:
    """A run of MLflow, on the server of MLFLOW_TRACKING_URI, or in `mlflow.db` beside the runs' folders."""

    def __init__(self, folder: Path, config: Mapping[str, Any], run_id: str | None) -> None:
        # Its 7 tries take 4 minutes where no server answers, and training waits for them.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        self.mlflow = _package("mlflow")
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            self.mlflow.set_tracking_uri(f"sqlite:///{(folder.absolute().parent / 'mlflow.db').as_posix()}")
        if not {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & os.environ.keys():
            self.mlflow.set_experiment(PROJECT)
        if run_id:
            self.mlflow.start_run(run_id=run_id)
            self.run_id = run_id
            return
        self.run_id = self.mlflow.start_run(run_name=folder.name).info.run_id
        self.mlflow.log_params(dict(config))

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """See `Experiment`."""
        self.mlflow.log_metrics(dict(figures), step=epoch)

    def finish(self, complete: bool) -> None:
        """See `Experiment`."""
        self.mlflow.end_run("FINISHED" if complete else "KILLED")


class Experiments:
    """Several places as one, to be left in the end as a context.

    One that fails is told of, and gets no more: it must not cost the training. All is in metrics.csv anyway.
    """

    def __init__(self, running: Mapping[str, Experiment] | None = None) -> None:
        self.running = dict(running or {})

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """The figures of an epoch, for all."""
        self._each(lambda experiment: experiment.log(figures, epoch))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish(complete=kind is None)

    def finish(self, complete: bool) -> None:
        """No more figures come."""
        self._each(lambda experiment: experiment.finish(complete))

    def _each(self, call: Callable[[Experiment], None]) -> None:
        for name, experiment in [*self.running.items()]:
            try:
                call(experiment)
            except Exception as error:  # whatever a client raises whose server is gone
                del self.running[name]
                print(_left_out(name, error))


def check_loggers(names: Sequence[LogName]) -> None:
    """ValueError, with what to install, for what is not there; and for "none" beside others."""
    if "none" in names and len(names) > 1:
        raise ValueError(f"--log {' '.join(names)}: none stands alone")
    missing = [name for name in names if name in EXTRAS and not _is_there(name)]
    if missing:
        raise ValueError(f"--log needs a package that is not installed: pip install {' '.join(missing)}")


def open_experiments(names: Sequence[LogName], folder: Path, epochs_done: int) -> Experiments:
    """What `names` says, for the run in `folder`; one that was interrupted goes on where it was.

    ValueError with the reason where a new run cannot start; one that goes on does so without, and says it.
    """
    ids, config = _read(folder / IDS), _read(folder / "config.json").get("config", {})
    running: dict[str, Experiment] = {}
    for name in dict.fromkeys(names):
        try:
            if name == "tensorboard":
                running[name] = TensorBoardLog(folder, config, epochs_done)
            elif name in EXTRAS:
                running[name] = opened = _LOGS[name](folder, config, ids.get(name))
                _keep_id(folder, name, opened.run_id)
        except Exception as error:  # of many kinds: not logged in, no server, no such run there
            if name not in ids:
                Experiments(running).finish(complete=False)
                raise ValueError(f"--log {name} cannot start: {_first_line(error)}") from error
            print(_left_out(name, error))
    return Experiments(running)


_LOGS: dict[str, type[WandbLog] | type[MlflowLog]] = {"wandb": WandbLog, "mlflow": MlflowLog}


def _package(name: str) -> ModuleType:
    """ImportError if it is not there. A folder of its name, where one was written to, is not it."""
    module = importlib.import_module(name)
    if not hasattr(module, EXTRAS[name]):
        raise ImportError(f"{name} is not installed")
    return module


def _is_there(name: str) -> bool:
    try:
        _package(name)
    except ImportError:
        return False
    return True


def _keep_id(folder: Path, name: str, run_id: str) -> None:
    with replacing(folder / IDS) as temporary:
        temporary.write_text(json.dumps(_read(folder / IDS) | {name: run_id}, indent=2) + "\n", "utf-8")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _left_out(name: str, error: Exception) -> str:
    return f"note: {name} gets no more figures, which metrics.csv has anyway: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
