"""Experiment trackers for the metrics of a run: TensorBoard, Weights & Biases, MLflow.

The packages of the latter two are optional, and imported only if chosen.
"""

import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, Protocol, Self

from utils.system.files import NOT_UTF8, read_failure, replacing
from utils.system.schema import conform

LogName = Literal["tensorboard", "wandb", "mlflow", "none"]
EXTRAS = {"wandb": "init", "mlflow": "start_run"}  # optional packages, and a function of each
PROJECT = "boxwright"
IDS = "experiments.json"  # in the run's folder: its ids in the trackers, for resuming


class Experiment(Protocol):
    """A run in an experiment tracker."""

    def log(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Log the metrics of an epoch, counted from 1."""

    def finish(self, complete: bool) -> None:
        """Send what is pending, and close the run as completed or interrupted."""


class TensorBoardLog:
    """TensorBoard event files in the run's folder; resuming discards later epochs of the interrupted run."""

    def __init__(self, folder: Path, config: Mapping[str, Any], epochs_done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder, purge_step=epochs_done + 1)
        if epochs_done == 0 and config:
            text = json.dumps(config, indent=2, ensure_ascii=False).encode(errors=NOT_UTF8).decode()
            self.writer.add_text("config", f"```json\n{text}\n```", 0)

    def log(self, metrics: Mapping[str, float], epoch: int) -> None:
        """See `Experiment`."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, epoch)

    def finish(self, complete: bool) -> None:
        """See `Experiment`."""
        self.writer.close()


class WandbLog:
    """A run of Weights & Biases, in the project named by WANDB_PROJECT, with the epoch as its step.

    A resumed run does not overwrite the epochs that were logged before.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], run_id: str | None) -> None:
        # By default it waits for the network forever; `wandb sync` can send the rest later.
        os.environ.setdefault("WANDB_FINISH_TIMEOUT", "300")
        self.run = _package("wandb").init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            dir=str(folder),
            config=dict(config),
            allow_val_change=True,  # settings may change when a run is resumed
            id=run_id,
            resume="allow",
        )
        self.run_id: str = self.run.id

    def log(self, metrics: Mapping[str, float], epoch: int) -> None:
        """See `Experiment`."""
        self.run.log({**metrics, "epoch": epoch}, step=epoch)

    def finish(self, complete: bool) -> None:
        """See `Experiment`."""
        self.run.finish(exit_code=0 if complete else 1)


class MlflowLog:
    """A run of MLflow, on the server of MLFLOW_TRACKING_URI, or in `mlflow.db` beside the runs' folders."""

    def __init__(self, folder: Path, config: Mapping[str, Any], run_id: str | None) -> None:
        # Its default of 7 retries blocks training for 4 minutes if no server answers.
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

    def log(self, metrics: Mapping[str, float], epoch: int) -> None:
        """See `Experiment`."""
        self.mlflow.log_metrics(dict(metrics), step=epoch)

    def finish(self, complete: bool) -> None:
        """See `Experiment`."""
        self.mlflow.end_run("FINISHED" if complete else "KILLED")


class Experiments:
    """All experiment trackers of a run; a context manager that finishes them.

    One that fails is reported and dropped: it must not end the training, and metrics.csv has everything.
    """

    def __init__(self, running: Mapping[str, Experiment] | None = None) -> None:
        self.running = dict(running or {})

    def log(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Log the metrics of an epoch, counted from 1, to all trackers."""
        self._each(lambda experiment: experiment.log(metrics, epoch))

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
        """Close the run in all trackers as completed or interrupted."""
        self._each(lambda experiment: experiment.finish(complete))

    def _each(self, call: Callable[[Experiment], None]) -> None:
        for name, experiment in [*self.running.items()]:
            try:
                call(experiment)
            except Exception as error:  # clients raise all kinds of errors when their server is gone
                del self.running[name]
                print(_stopped_note(name, error))


def check_loggers(names: Sequence[LogName]) -> None:
    """Raise a ValueError for packages that are not installed, and for "none" together with others."""
    if "none" in names and len(names) > 1:
        raise ValueError(f"--log {' '.join(names)}: none cannot be combined with others")
    missing = [name for name in names if name in EXTRAS and not _is_installed(name)]
    if missing:
        raise ValueError(f"--log needs a package that is not installed: pip install {' '.join(missing)}")


def open_experiments(names: Sequence[LogName], folder: Path, epochs_done: int) -> Experiments:
    """Open the trackers `names` for the run in `folder`, or resume them if it was interrupted.

    ValueError with the reason if a tracker cannot start a new run. A resumed run reports it and goes on
    without that tracker.
    """
    ids, config = _read_ids(folder), _read(folder / "config.json").get("config", {})
    running: dict[str, Experiment] = {}
    for name in dict.fromkeys(names):
        try:
            if name == "tensorboard":
                running[name] = TensorBoardLog(folder, config, epochs_done)
            elif name in EXTRAS:
                running[name] = opened = _LOGS[name](folder, config, ids.get(name))
                _keep_id(folder, name, opened.run_id)
        except Exception as error:  # of many kinds: not logged in, no server, no such run
            if name not in ids:
                Experiments(running).finish(complete=False)
                raise ValueError(f"--log {name} cannot start: {_first_line(error)}") from error
            print(_stopped_note(name, error))
    return Experiments(running)


_LOGS: dict[str, type[WandbLog] | type[MlflowLog]] = {"wandb": WandbLog, "mlflow": MlflowLog}


def _package(name: str) -> ModuleType:
    """Import a package. ImportError if Python finds only a folder of its name, such as wandb's logs."""
    module = importlib.import_module(name)
    if not hasattr(module, EXTRAS[name]):
        raise ImportError(f"{name} is not installed")
    return module


def _is_installed(name: str) -> bool:
    try:
        _package(name)
    except ImportError:
        return False
    return True


def _keep_id(folder: Path, name: str, run_id: str) -> None:
    with replacing(folder / IDS) as temporary:
        temporary.write_text(json.dumps(_read_ids(folder) | {name: run_id}, indent=2) + "\n", "utf-8")


def _read_ids(folder: Path) -> dict[str, str]:
    """Read the ids of the run in the trackers; ValueError with the fix if the file is damaged."""
    path = folder / IDS
    try:
        ids: dict[str, str] = conform(_read(path), dict[str, str])
    except (OSError, ValueError, RecursionError) as error:
        reason = read_failure(error)
        raise ValueError(f"{path} cannot be read ({reason}): remove it, and new runs are logged") from None
    return ids


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _stopped_note(name: str, error: Exception) -> str:
    return f"note: logging to {name} stopped ({_first_line(error)}); metrics.csv still has all metrics"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
