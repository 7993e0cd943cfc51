"""A run from its first epoch to its last: training, evaluation, checkpoints and figures, epoch by epoch."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.tensorboard import SummaryWriter

from nets import Preset, parts_of
from utils.analysis import analyse
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.evaluator import Metrics, evaluate, match, measure
from utils.index import DatasetIndex
from utils.inference import DatasetDetections, detect_dataset
from utils.plots import plot_run
from utils.preview import save_batch_picture, save_predictions_picture
from utils.report import write_report
from utils.report_data import Report
from utils.run_folder import append_metrics, read_metrics, truncate_metrics
from utils.trainer import EpochResult, Trainer


@dataclass(frozen=True)
class RunSettings:
    """What is written when.

    eval_period  epochs between evaluations; the last epoch is always evaluated
    save_period  epochs between `epoch_NNN.pt`; 0 keeps only the best and the last
    patience     evaluations without a better mAP after which the run stops; 0 never stops it
    """

    folder: Path
    model: Preset
    eval_period: int
    save_period: int
    patience: int
    eval_batch_size: int


class Evaluation(NamedTuple):
    """Metrics and mean losses by component on the validation data."""

    metrics: Metrics
    losses: dict[str, float]


@dataclass
class Progress:
    """Where a run is: epochs done, the best mAP50-95 and its epoch, and evaluations since then."""

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    waited: int = 0


def fit(trainer: Trainer, validation: DatasetIndex, run: RunSettings, progress: Progress) -> Progress:
    """Train from `progress` to the end, writing the run's folder; the best is by mAP50-95 on `validation`."""
    writer = SummaryWriter(run.folder)
    total = sum(phase.epochs for phase in trainer.phases)
    started, first = time.perf_counter(), progress.epoch
    start_of_phase = 0
    for phase in trainer.phases:
        end_of_phase = start_of_phase + phase.epochs
        if progress.epoch < end_of_phase and not _waited_enough(run, progress):
            print(phase.describe())
            loader, batches = trainer.loader(phase)
            for epoch in range(progress.epoch, end_of_phase):
                batches.set_epoch(epoch)
                if epoch == 0:
                    batch = loader.dataset.__getitems__(next(iter(batches)))  # type: ignore[attr-defined]
                    save_batch_picture(run.folder / "train_batch.jpg", batch, validation.class_names)
                result = trainer.train_epoch(phase, loader, epoch)
                progress.epoch = epoch + 1
                due = progress.epoch % run.eval_period == 0 or progress.epoch == total
                evaluation = _evaluate(trainer, validation, run) if due else None
                if evaluation is not None:
                    trainer.check_finite(evaluation.losses, result.learning_rate)
                _record(trainer, run, progress, result, evaluation, writer)
                left = (time.perf_counter() - started) / (progress.epoch - first) * (total - progress.epoch)
                print(_line(progress, total, result, evaluation, left))
                if _waited_enough(run, progress):
                    print(f"stopped: no better mAP in {run.patience} evaluations")
                    break
        start_of_phase = end_of_phase
    writer.close()
    return progress


def resume(trainer: Trainer, folder: Path) -> Progress:
    """Put the trainer back to where `last.pt` of a run's folder was written."""
    state = load_checkpoint(folder / "last.pt")
    trainer.detector.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.scaler.load_state_dict(state["scaler"])
    trainer.step = state["step"]
    if trainer.ema is not None:
        trainer.ema.module.load_state_dict(state["ema"])
        trainer.ema.steps = state["step"]
    truncate_metrics(folder, state["epoch"])
    return Progress(state["epoch"], state["best"], state["best_epoch"], state["waited"])


def find_run(name: str, output: Path) -> Path:
    """The folder of the run to resume: a path, a name under `output`, or "last" for the newest there."""
    if name == "last":
        runs = [file.parent for file in output.glob("*/last.pt")]
        if not runs:
            raise ValueError(f"--resume last: there is no run with a last.pt in {output}")
        return max(runs, key=lambda folder: (folder / "last.pt").stat().st_mtime)
    for folder in (Path(name), output / name):
        if (folder / "last.pt").is_file():
            return folder
    raise ValueError(f"--resume {name}: there is no last.pt in {Path(name).absolute()} or {output / name}")


def conclude(trainer: Trainer, data: DatasetIndex, run: RunSettings) -> Metrics:
    """Measure the best weights on `data`, draw predictions, and say what can be done with them."""
    best = run.folder / "best.pt"
    state = load_checkpoint(best)
    trainer.evaluated.load_state_dict(state["model"] if state["ema"] is None else state["ema"])
    found = _detect(trainer, data, run)
    matched = match(found.detections, data)
    metrics = measure(matched)
    print(f"\nbest weights, of epoch {state['best_epoch']}, on {len(data)} images:")
    print(metrics.table())
    confidence = metrics.best_f1_confidence if metrics.best_f1_confidence > 0 else 0.5
    analysis = analyse(matched, confidence)
    print(analysis.text(metrics.class_names))
    facts = [
        ("weights", f"{best}, epoch {state['best_epoch']}"),
        ("model", f"{run.model.name}, input {'x'.join(map(str, trainer.settings.image_size))}"),
        ("speed", found.watch.describe(len(data), "image")),
    ]
    paths = [*map(Path, data.paths())]
    history = read_metrics(run.folder)
    report = Report(run.folder.name, metrics, analysis, matched, paths, facts, history=history)
    write_report(run.folder / "report.html", report)
    save_predictions_picture(run.folder / "predictions.jpg", data, found.detections, confidence)
    print(f"""
weights      {best}
predictions  {run.folder / "predictions.jpg"} (at confidence {confidence:.2f})
report       {run.folder / "report.html"}

next:
  python predict.py PICTURE_OR_FOLDER --weights {best}
  your own data: put it under VOCdevkit/VOC2007, name your classes in a text file, then
  python voc_annotation.py --classes FILE && python train.py --classes FILE""")
    return metrics


def _evaluate(trainer: Trainer, data: DatasetIndex, run: RunSettings) -> Evaluation:
    found = _detect(trainer, data, run, with_losses=True)
    return Evaluation(evaluate(found.detections, data), found.losses)


def _detect(
    trainer: Trainer, data: DatasetIndex, run: RunSettings, with_losses: bool = False
) -> DatasetDetections:
    settings = trainer.settings
    return detect_dataset(
        trainer.evaluated,
        data,
        settings.image_size,
        run.eval_batch_size,
        settings.workers,
        settings.detect,
        with_losses,
    )


def _record(
    trainer: Trainer,
    run: RunSettings,
    progress: Progress,
    result: EpochResult,
    evaluation: Evaluation | None,
    writer: SummaryWriter,
) -> None:
    """Write the epoch's figures and checkpoints."""
    row: dict[str, Any] = {"epoch": progress.epoch, "lr": result.learning_rate}
    row |= {"loss": sum(result.losses.values())}
    row |= {f"loss_{name}": value for name, value in result.losses.items()}
    metrics = evaluation.metrics if evaluation else None
    row |= {f"val_loss_{name}": evaluation.losses[name] if evaluation else "" for name in result.losses}
    row |= {"map50": metrics.map50 if metrics else "", "map50_95": metrics.map50_95 if metrics else ""}
    row |= {"images_per_second": result.images_per_second, "seconds": result.seconds}
    append_metrics(run.folder, row)
    for name, value in row.items():
        if value != "" and name != "epoch":
            writer.add_scalar(name, value, progress.epoch)
    plot_run(run.folder)

    better = metrics is not None and metrics.map50_95 > progress.best
    if metrics is not None:
        progress.waited = 0 if better else progress.waited + 1
    if better:
        assert metrics is not None
        progress.best, progress.best_epoch = metrics.map50_95, progress.epoch
    names = ["last.pt"] + ["best.pt"] * better
    if run.save_period and progress.epoch % run.save_period == 0:
        names.append(f"epoch_{progress.epoch:03d}.pt")
    for name in names:
        _save(trainer, run, progress, run.folder / name)


def _save(trainer: Trainer, run: RunSettings, progress: Progress, path: Path) -> None:
    save_checkpoint(
        path,
        model=trainer.detector.state_dict(),
        ema=None if trainer.ema is None else trainer.ema.module.state_dict(),
        optimizer=trainer.optimizer.state_dict(),
        scaler=trainer.scaler.state_dict(),
        epoch=progress.epoch,
        step=trainer.step,
        best=progress.best,
        best_epoch=progress.best_epoch,
        waited=progress.waited,
        class_names=trainer.train_index.class_names,
        model_name=run.model.name,
        model_parts=parts_of(run.model),
        image_size=trainer.settings.image_size,
        torch_version=str(torch.__version__),
    )


def _waited_enough(run: RunSettings, progress: Progress) -> bool:
    return 0 < run.patience <= progress.waited


def _line(
    progress: Progress,
    total: int,
    result: EpochResult,
    evaluation: Evaluation | None,
    left: float,
) -> str:
    """One epoch as a line: losses by component, mAP where there is one, speed and the time that is left."""
    parts = [f"epoch {progress.epoch}/{total}"]
    parts += [f"{name} {value:.3f}" for name, value in result.losses.items()]
    if evaluation is not None:
        best = " (best)" if progress.best_epoch == progress.epoch else ""
        parts.append(
            f"| mAP50 {evaluation.metrics.map50:.4f} mAP50-95 {evaluation.metrics.map50_95:.4f}{best}"
        )
    parts.append(f"| {result.images_per_second:.1f} images/s, {left / 60:.1f} min left")
    for path in result.skipped[:10]:
        parts.append(f"\n  skipped, cannot be read: {path}")
    if len(result.skipped) > 10:
        parts.append(f"\n  and {len(result.skipped) - 10} more skipped")
    return " ".join(parts)
