"""Evaluation within a run: after an epoch, and of the best weights at the end, with a report."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from nets.common.detector import Detector
from utils.analysis.analyse import analyse
from utils.data.index import DatasetIndex
from utils.data.readable import unreadable_lines
from utils.evaluate.evaluator import Metrics, compute_metrics, evaluate, match_detections
from utils.inference.detect_dataset import DatasetDetections, detect_dataset
from utils.inference.optimize import for_inference
from utils.report.data import Report
from utils.report.page import write_report
from utils.run.folder import hash_index
from utils.run.metrics_file import read_metrics
from utils.run.preview import save_predictions_image
from utils.run.settings import Run
from utils.train.trainer import Trainer
from utils.weights.checkpoint import load_checkpoint, restore_module
from utils.weights.checkpoint_schema import naming

BEST = "best.pt"
TRAINED_ON = "these are the training images: the metrics say little about other images"


class Evaluation(NamedTuple):
    """Metrics and mean losses by component on the validation data."""

    metrics: Metrics
    losses: dict[str, float]


def evaluate_run(trainer: Trainer, data: DatasetIndex, run: Run) -> Evaluation:
    """Evaluate the current weights, with the same metrics as get_map.py.

    Every process detects on its share of the images; the first one computes the metrics for all.
    """
    found = _detect(trainer, trainer.evaluated, data, run, with_losses=True)
    own = Evaluation(evaluate(found.detections, data), found.losses) if trainer.processes.first else None
    evaluation = trainer.processes.broadcast(own)
    assert evaluation is not None
    return evaluation


class Best(NamedTuple):
    """The mAP50-95 of the best weights, and their epoch."""

    map50_95: float
    epoch: int


def evaluate_best(trainer: Trainer, data: DatasetIndex, run: Run) -> Best | None:
    """Evaluate best.pt; None if it is missing or damaged. The weights in training stay as they are."""
    try:
        state = load_checkpoint(run.folder / BEST)
    except (ValueError, OSError):
        state = None
    if not all(trainer.processes.gather(state is not None)) or state is None:
        return None
    detector = copy.deepcopy(trainer.evaluated)
    restore_module(detector, best_weights(state))
    found = _detect(trainer, detector, data, run)
    first = trainer.processes.first
    return trainer.processes.broadcast(
        Best(evaluate(found.detections, data).map50_95, state["best_epoch"]) if first else None
    )


def best_weights(state: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Return the weights of a checkpoint that were evaluated: the EMA if there is one."""
    return state["model"] if state["ema"] is None else state["ema"]


def conclude(trainer: Trainer, data: DatasetIndex, run: Run) -> Metrics | None:
    """Evaluate the best weights on `data`, write the report, and print what to do next.

    The first of several processes does this; the others only help to detect, and return None.
    """
    best = run.folder / BEST
    trainer.processes.wait()  # the first one may still be writing it
    state = load_checkpoint(best)
    with naming(best):
        restore_module(trainer.evaluated, best_weights(state))
    epoch = state.get("best_epoch", state["epoch"])
    found = _detect(trainer, trainer.evaluated, data, run)
    if not trainer.processes.first:
        return None
    matched = match_detections(found.detections, data)
    metrics = compute_metrics(matched)
    print(f"\nbest weights, of epoch {epoch}, on {len(data)} images:")
    if trained_on := hash_index(data) == hash_index(trainer.train_index):
        print(f"notice: {TRAINED_ON}")
    print(metrics.table())
    confidence = metrics.operating_confidence
    analysis = analyse(matched, confidence)
    print(analysis.text(metrics.class_names))
    save_predictions_image(run.folder / "predictions.jpg", data, found.detections, confidence)
    report = Report(
        title=run.folder.name,
        metrics=metrics,
        analysis=analysis,
        matched=matched,
        paths=[*map(Path, data.paths())],
        facts=[
            ("weights", f"{best}, epoch {epoch}"),
            *([("data", TRAINED_ON)] if trained_on else []),
            ("model", f"{run.model.name}, input {'x'.join(map(str, trainer.settings.image_size))}"),
            ("speed", found.watch.describe(len(data), "image")),
        ],
        history=read_metrics(run.folder),
    )
    write_report(run.folder / "report.html", report)
    print(f"""
weights      {best}
report       {run.folder / "report.html"}
predictions  {run.folder / "predictions.jpg"} (at confidence {confidence:.2f})

next:
  python predict.py IMAGE_OR_FOLDER --weights {best}
  your own data: put it under VOCdevkit/VOC2007, name your classes in a text file, then
  python voc_annotation.py --classes FILE && python train.py --classes FILE""")
    return metrics


def _detect(
    trainer: Trainer, weights: Detector, data: DatasetIndex, run: Run, with_losses: bool = False
) -> DatasetDetections:
    """Detect on all images; prints which of them could not be read, and lower the metrics."""
    settings = trainer.settings
    detector = for_inference(weights, settings.detect.autocast)
    found = detect_dataset(
        detector,
        data,
        settings.image_size,
        run.eval_batch_size,
        settings.machine.workers or 0,
        settings.detect,
        detector.losses if with_losses else None,
        trainer.processes,
    )
    for text in unreadable_lines("counted as without detections", found.skipped):
        print(f"  {text}")
    return found
