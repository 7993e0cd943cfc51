"""Cross-validation: a run for each fold, which holds out a part of the images, and one on all images.

Each image is then detected by the model that was not trained on it. The last weights of each run are used,
not the best ones: those are chosen by the metrics of the images held out, and would look better than they
are.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import torch

from utils.data.detections import Detections
from utils.data.folds import assign_folds
from utils.data.index import DatasetIndex, select_images
from utils.data.readable import unreadable_lines
from utils.evaluate.evaluator import Metrics, evaluate
from utils.inference.detect import DetectSettings
from utils.inference.detect_dataset import detect_dataset
from utils.predict.trained_detector import load_trained, ready_for_inference
from utils.run.cross_validation_results import Result, write_results
from utils.run.find_run import remember_folder
from utils.run.folder import (
    LAST,
    changed_data,
    create_run_folder,
    has_checkpoint,
    is_cross_validation,
    read_config,
    write_config,
)
from utils.run.prepare import held
from utils.system.distributed import Processes
from utils.system.lock import is_locked
from utils.system.settings import flat_values, with_values
from utils.system.signals import Stopped
from utils.train.defaults import suggest_epochs

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")
Train = Callable[[ConfigT, Path | None, Processes, torch.device], None]
FINAL = "final"
REPORT = "report.html"  # of a run; written last


class PlannedRun(NamedTuple):
    """A run of a cross-validation: its folder's name, its --fold, and its number of training images."""

    name: str
    fold: int | str
    images: int


def cross_validate(
    config: ConfigT,
    folder: Path | None,
    data: Mapping[str, DatasetIndex],
    processes: Processes,
    device: torch.device,
    train: "Train[ConfigT]",
) -> None:
    """Train each fold and then on all images, and evaluate the detections on the images held out.

    config  settings of train.py
    folder  that of the cross-validation to go on with; None for a new one
    data    all images as "train", and the test data if there is some
    train   function that trains in a folder of its own, or goes on in the one given

    All processes call this. Finished runs are not trained again.
    """
    settings, images = flat_values(config), data["train"]
    if settings["patience"]:
        raise ValueError(
            "--patience ends a training by the metrics of the images held out, which then look better "
            "than those of new images: leave it out with --folds"
        )
    if settings["minutes"]:
        raise ValueError("--minutes is the length of one training, not of a cross-validation: give --epochs")
    fold_of = assign_folds(images, settings["folds"])
    epochs = settings["epochs"] or suggest_epochs(len(images))
    runs = plan_runs(fold_of)
    with open_cross_validation(settings, data, folder, processes) as folder:
        print(describe_plan(runs, epochs))
        config = with_values(config, {"output": folder, "epochs": epochs})
        train_runs(runs, config, folder, processes, device, train)
        processes.wait()  # the first one has written everything
        config = with_batch_sizes(config, folder / runs[0].name)
        detections, folds = detect_held_out(images, fold_of, folder, flat_values(config), processes, device)
        if processes.first:
            test_images = len(data.get("test", ()))
            write_results(folder, Result(images, detections, folds, folder / FINAL, test_images))


def plan_runs(fold_of: np.ndarray) -> list[PlannedRun]:
    """Return the runs, given the fold of each image."""
    sizes = np.bincount(fold_of)[1:].tolist()
    folds = [PlannedRun(f"fold_{fold}", fold, len(fold_of) - size) for fold, size in enumerate(sizes, 1)]
    return [*folds, PlannedRun(FINAL, "all", len(fold_of))]


def describe_plan(runs: list[PlannedRun], epochs: int) -> str:
    """Return what will be trained, and how long it takes compared with one fold, as text."""
    *folds, final = runs
    numbers = " or ".join(map(str, sorted({run.images for run in folds})))
    times = sum(run.images for run in runs) / folds[0].images
    return (
        f"cross-validation: {len(folds)} folds, {epochs} epochs on {numbers} images each, then a final "
        f"training on all {final.images}.\nAll take about {times:.1f} times as long as the first fold; the "
        "time left that is shown with each epoch is that of one training"
    )


def train_runs(
    runs: list[PlannedRun],
    config: ConfigT,
    folder: Path,
    processes: Processes,
    device: torch.device,
    train: "Train[ConfigT]",
) -> None:
    """Train the runs that are not finished, one after the other; prints the time left for all of them."""
    for number, run in enumerate(runs):
        run_folder = folder / run.name
        finished, begun = processes.broadcast(
            prepare_folder(run_folder) if processes.first else (False, False)
        )
        print(f"\n{run.name}{' is finished' if finished else ''}")
        if finished:
            continue
        started = time.perf_counter()
        run_config = with_values(
            with_batch_sizes(config, folder / runs[0].name), {"name": run.name, "fold": run.fold}
        )
        train(run_config, run_folder if begun else None, processes, device)
        left = sum(other.images for other in runs[number + 1 :])
        if left and not begun:
            minutes = (time.perf_counter() - started) / run.images * left / 60
            print(f"\nabout {minutes:.1f} min left for the other {len(runs) - number - 1} trainings")


def prepare_folder(folder: Path) -> tuple[bool, bool]:
    """Return whether the run in the folder is finished, and whether it has begun and can be resumed.

    Removes the folder of a run that was killed before its first checkpoint.
    """
    if folder.is_symlink():
        raise ValueError(f"{folder} is a link, not the folder of a run: remove it")
    begun = has_checkpoint(folder)
    if folder.exists() and not begun:
        if is_locked(folder):
            raise ValueError(f"another training is running in {folder}: wait for its end, or stop it")
        shutil.rmtree(folder)
    return begun and (folder / REPORT).is_file(), begun


def with_batch_sizes(config: ConfigT, first: Path) -> ConfigT:
    """Return the settings with the batch sizes of the first run, which may have measured them."""
    if not has_checkpoint(first):
        return config
    used = flat_values(read_config(first, type(config)))
    return with_values(config, {name: used[name] for name in ("batch_size", "freeze_batch_size")})


@contextmanager
def open_cross_validation(
    settings: Mapping[str, Any],
    data: Mapping[str, DatasetIndex],
    folder: Path | None,
    processes: Processes,
) -> Iterator[Path]:
    """Create the folder of a new cross-validation, or open the given one; the same in all processes.

    The first process holds the folder's lock. `Stopped` raised within gets the command that goes on.
    """
    if folder and (changed := changed_data(folder, data)):
        raise ValueError(
            f"{changed[0]}: the folds would no longer be comparable. Start a new cross-validation"
        )
    if processes.first and not folder:
        folder = create_run_folder(settings["output"], settings["name"])
    folder = processes.broadcast(folder)
    assert folder is not None
    try:
        with held(folder) if processes.first else nullcontext():
            if processes.first:
                write_config(folder, settings, data)
                remember_folder(folder)
            processes.wait()
            yield folder
    except Stopped as stopped:
        command = f"python train.py --resume {folder}"
        if command in str(stopped) or not is_cross_validation(folder):
            raise
        raise Stopped(stopped.exit_status, f"{stopped}; resume with: {command}") from stopped


def detect_held_out(
    images: DatasetIndex,
    fold_of: np.ndarray,
    folder: Path,
    settings: Mapping[str, Any],
    processes: Processes,
    device: torch.device,
) -> tuple[list[Detections], list[Metrics]]:
    """Return detections on all images by the last weights of their folds, and the metrics of each fold.

    fold_of   fold of each image, from 1
    settings  those of train.py by name
    """
    detections, metrics = [Detections.empty()] * len(images), []
    for fold in range(1, settings["folds"] + 1):
        weights, held_out = folder / f"fold_{fold}" / LAST, fold_of == fold
        trained = ready_for_inference(load_trained(weights, device), settings["amp"], check=False)
        if trained.class_names != images.class_names:
            raise ValueError(f"{weights} was trained on other classes: remove {weights.parent}, and resume")
        part = select_images(images, held_out)
        found = detect_dataset(
            trained.detector,
            part,
            trained.image_size,
            settings["batch_size"],
            settings["workers"] or 0,
            DetectSettings(autocast=trained.autocast),
            processes=processes,
        )
        for text in unreadable_lines("counted as without detections", found.skipped):
            print(f"  {text}")
        for number, detected in zip(np.flatnonzero(held_out), found.detections, strict=True):
            detections[number] = detected
        metrics.append(evaluate(found.detections, part))
    return detections, metrics
