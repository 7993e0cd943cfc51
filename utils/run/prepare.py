"""Prepares a run before its first step: data, model, weights and folder."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from nets import LossSettings, Preset, build
from nets.common.detector import Detector
from utils.data.folds import assign_folds
from utils.data.fraction import fraction_of
from utils.data.index import DatasetIndex, select_images
from utils.data.merge import join_indexes
from utils.data.readable import require_readable
from utils.data.settings import DataSettings
from utils.data.single_class import as_single_class
from utils.data.types import Size
from utils.formats.read_data import given_classes, read_many, require_boxes, require_images
from utils.models.anchor_fit import fit_line
from utils.models.summary import short_summary
from utils.run.failures import require_room
from utils.run.find_run import folder_before_restart, remember_folder
from utils.run.folder import (
    changed_data,
    create_run_folder,
    has_checkpoint,
    is_cross_validation,
    write_config,
)
from utils.run.resume import Progress, restore_run
from utils.system.lock import folder_lock
from utils.system.validation import Preflight
from utils.train.class_weights import weights_line
from utils.train.defaults import expectation
from utils.train.phases import PhasePlanner, total_epochs
from utils.train.trainer import Trainer
from utils.weights.load_weights import load_weights
from utils.weights.pretrained import PRETRAINED, pretrained_weights, weights_source
from utils.weights.read_weights import read_weights


def check_weights(weights: str, model: str) -> None:
    """Raise a ValueError unless --weights is a file of weights, none, or pretrained and there are such."""
    if weights == PRETRAINED:
        weights_source(model)
    elif weights != "none":
        read_weights(weights)


def weights_file(weights: str, model: str) -> str:
    """Return --weights with "pretrained" replaced by the file, downloaded if it is not there."""
    return str(pretrained_weights(model).absolute()) if weights == PRETRAINED else weights


def prepare_detector(
    model: Preset, train: DatasetIndex, weights: str, image_size: Size, loss: LossSettings
) -> Detector:
    """Build the detector and load its initial weights; prints a summary and a load report."""
    detector = build(model, len(train.class_names), loss)
    print(short_summary(model, len(train.class_names), image_size))
    if line := fit_line(train, model, image_size):
        print(line)
    if loss.class_weights:
        print(weights_line(loss.class_weights, train.class_names))
    if weights != "none":
        print(f"weights: {weights}")
        print(load_weights(detector, read_weights(weights), model, train.class_names).text())
    print(expectation(len(train), weights != "none"))
    return detector


def read_run_data(
    specs: Mapping[str, Sequence[str]],
    classes: Path | None,
    default_classes: Path,
    preflight: Preflight,
    settings: DataSettings,
) -> dict[str, DatasetIndex]:
    """Read the data sets by name, "train" first, without those that have no specs. Errors go to `preflight`.

    Class names come from the file `classes`, else from the training data, else from the file
    `default_classes`. The settings choose what of the data is used; see `divide` for folds.
    """
    data: dict[str, DatasetIndex] = {}
    names, classes_read = None, False
    with preflight.check():
        check_folds(settings, specs)
    with preflight.check():
        names, classes_read = given_classes(classes, tuple(specs["train"]), default_classes), True
    for name, given in specs.items():
        if classes_read and given:
            if settings.folds and name == "val" and set(given) == set(specs["train"]):
                continue  # the same images
            with preflight.check():
                index = read_many(given, names)
                names = names or index.class_names  # those of the training data, for all data sets
                reduced = name == "train" and not settings.folds
                index = fraction_of(index, settings.fraction) if reduced else index
                data[name] = as_single_class(index) if settings.single_class else index
                for require in (require_images, require_boxes, require_readable):
                    require(data[name], ", ".join(given))
    if settings.folds and not preflight.problems:
        with preflight.check():
            data = divide(data, settings)
    return data


def check_folds(settings: DataSettings, specs: Mapping[str, Sequence[str]]) -> None:
    """Raise a ValueError unless --folds and --fold fit together, and data sets are named."""
    folds, fold = settings.folds, settings.fold
    if fold is not None and not folds:
        raise ValueError(f"--fold {fold} needs the number of folds: give --folds too")
    if isinstance(fold, int) and fold > folds:
        raise ValueError(
            f"--fold {fold} is not one of --folds {folds}: give a number from 1 to {folds}, or all"
        )
    if not specs["train"] or not (specs["val"] or folds):
        raise ValueError("--train and --val each name at least one data set")


def divide(data: Mapping[str, DatasetIndex], settings: DataSettings) -> dict[str, DatasetIndex]:
    """Return the data sets of a fold: its images, of training and validation data together, are validated on.

    Without a fold all images are for training, and validation is on the test data; without any, on the same
    images again. The fraction of the settings is of all images.
    """
    test = {name: index for name, index in data.items() if name == "test"}
    images = fraction_of(join_indexes([data[name] for name in data if name != "test"]), settings.fraction)
    fold_of = assign_folds(images, settings.folds)
    if not isinstance(settings.fold, int):
        return {"train": images, "val": test.get("test", images)} | test
    held_out = fold_of == settings.fold
    validation = replace(select_images(images, held_out), notes=())
    return {"train": select_images(images, ~held_out), "val": validation} | test


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, and remove the folder if an error comes before its first checkpoint.

    Those of a cross-validation are in folders within its own.
    """
    with folder_lock(folder):
        try:
            yield
        except BaseException:
            if not any(map(has_checkpoint, (folder, *folder.iterdir()))):
                shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def open_folder(
    trainer: Trainer,
    data: Mapping[str, DatasetIndex],
    settings: Mapping[str, Any],
    folder: Path | None,
    planner: PhasePlanner | None = None,
) -> Iterator[tuple[Path, Progress]]:
    """Create the folder of a new run, or restore the run in `folder`; the same in all processes.

    The settings are those of train.py; all of them are written to config.json. The first process holds the
    folder's lock; ValueError if another training does.
    """
    first, resuming = trainer.processes.first, folder is not None
    if first and not folder:
        epochs, period = total_epochs(trainer.phases), settings["save_period"]
        require_room(trainer, settings["output"], more=epochs // period if period else 0)
        earlier = folder_before_restart()
        if earlier and not has_checkpoint(earlier) and not is_cross_validation(earlier):
            shutil.rmtree(earlier)  # it died before the first checkpoint
        folder = create_run_folder(settings["output"], settings["name"])
        remember_folder(folder)
    folder = trainer.processes.broadcast(folder)
    assert folder is not None
    with held(folder) if first else nullcontext():
        progress = Progress()
        if resuming:
            for text in changed_data(folder, data):
                print(f"notice: {text}")
            progress = restore_run(trainer, folder, planner)
        trainer.processes.wait()  # all have read what the first one writes now
        if first:
            write_config(folder, settings, data)
        print(f"run folder: {folder}")
        yield folder, progress
