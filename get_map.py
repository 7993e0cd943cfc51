"""Evaluate a detector: python get_map.py --weights logs/RUN/best.pt --data VOCdevkit/VOC2007:test

Or detections that any program wrote: --ground-truth instances.json --detections results.json. Prints VOC and
COCO average precision and an analysis of the errors, and writes report.html, metrics.json and curves.
"""

import utils.system.quiet_imports  # noqa: F401

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from utils.analysis.analyse import analyse
from utils.analysis.compare import compare
from utils.analysis.per_image import write_image_counts
from utils.data.index import DatasetIndex
from utils.data.readable import unreadable_lines
from utils.data.single_class import SINGLE_CLASS, as_single_class
from utils.data.summary import print_notes
from utils.data.types import Size
from utils.evaluate.evaluator import Matched, Metrics, compute_metrics, match_detections
from utils.evaluate.ground_truth import FlatDetections, flatten_detections
from utils.evaluate.read_results import (
    GroundTruthFiles,
    files_of_index,
    read_ground_truth_and_results,
    read_results,
)
from utils.evaluate.write_results import write_coco_ground_truth, write_coco_results, write_text_folders
from utils.formats.data_source import names_classes
from utils.formats.read_data import read_many, require_boxes, require_images
from utils.inference.detect import DetectSettings
from utils.inference.detect_dataset import detect_dataset
from utils.loader.loader import automatic_workers
from utils.predict.trained_detector import describe_trained, load_trained, ready_for_inference
from utils.report.curves import write_curves
from utils.report.data import Report
from utils.report.page import write_report
from utils.system.cli import ROOT, run
from utils.system.device import Amp, choose_device, usable_cores
from utils.system.files import NOT_UTF8, require_writable, write_text
from utils.system.memory import keep_freed_memory
from utils.system.settings import NonNegativeInt, PositiveInt, check_ranges
from utils.weights.checkpoint import store_thresholds
from utils.weights.file_kind import refuse_exported
from utils.weights.thresholds import best_thresholds

MAX_CLASSES = 10_000  # of data without class names, whose numbers do not matter


@dataclass(frozen=True)
class Config:
    """Evaluate a detector, or saved detections, on a data set."""

    weights: Path | None = None  # file of train.py or export.py, .pt, .weights, or "pretrained"
    data: tuple[str, ...] = (str(ROOT / "2007_val.txt"),)  # test set: list, VOC2007:test, a.json:images/
    ground_truth: str = ""  # labels for --detections: COCO JSON, .txt folder, or as for --data
    detections: Path | None = None  # saved detections, instead of --weights: COCO results JSON or .txt folder
    compare: Path | None = None  # other detections on the same images, for a significance test
    min_overlap: float = 0.5  # IoU threshold of VOC AP, precision, recall and F1 (not of COCO AP)
    confidence: float = 0.001  # confidence threshold; low, since AP is computed over all thresholds
    score_threshold: float = 0.5  # confidence threshold at which precision, recall and F1 are reported
    nms_iou: float = 0.5  # NMS IoU threshold, applied per class
    max_detections: PositiveInt = 300  # maximum number of detections per image
    resamples: NonNegativeInt = 1000  # bootstrap resamples for 95 % confidence intervals; 0 for none
    output: Path = Path("map_out")  # folder for report.html, metrics.json, metrics.txt and the curves
    save_json: bool = False  # write ground truth and detections as COCO JSON
    save_txt: bool = False  # write both as text files in ground-truth/ and detection-results/
    store_thresholds: bool = False  # store the best-F1 score thresholds in the weights file, for predict.py
    model: str | None = None  # model name, for weights without one
    classes: Path | None = None  # class names, one per line, for weights or data without them
    trust_weights: bool = False  # run the code in a TorchScript file, which can do all that you can
    image_size: Size | None = None  # input height and width in pixels; default: the training size
    batch_size: PositiveInt = 8  # images per batch
    rectangular: bool = False  # pad only to each batch's largest size: faster, nearly the same metrics
    workers: NonNegativeInt | None = None  # worker processes that load images; default: automatic
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # mixed precision: auto (where it is fast), off, bf16 or fp16
    seed: NonNegativeInt = 0  # random seed of the resamples


def main(config: Config) -> None:
    """Detect or read detections, evaluate them, and print and write the results."""
    keep_freed_memory()
    check_ranges(config)
    check_source(config)
    require_writable(config.output)
    inputs = detect(config) if config.detections is None else read_files(config)
    files, found, _ = inputs
    matched = match_detections(found, files.ground_truth, config.min_overlap)
    metrics = compute_metrics(matched, config.score_threshold)
    table = metrics.table()
    print(table)
    analysis = analyse(matched, metrics.operating_confidence, config.resamples, config.seed)
    print(analysis.text(metrics.class_names))
    comparisons = compare_with_other(config, files, matched)
    for sentence in comparisons.values():
        print(sentence)
    content = metrics.to_json() | {"analysis": analysis.to_json(metrics.class_names)}
    content |= {"comparison": comparisons} if comparisons else {}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_text(config.output / "metrics.json", text, errors=NOT_UTF8)
    write_text(config.output / "metrics.txt", table + "\n")
    write_image_counts(config.output / "images.csv", analysis.image_counts, files.names)
    write_curves(metrics.curves, metrics.class_names, config.output)
    report = Report(
        title=Path(config.weights or config.detections or "").name,
        metrics=metrics,
        analysis=analysis,
        matched=matched,
        paths=files.paths,
        names=files.names,
        facts=inputs.facts,
        comparisons=list(comparisons.values()),
    )
    write_report(config.output / "report.html", report)
    print(f"wrote {config.output / 'report.html'}, and beside it metrics.json, images.csv and the curves")
    save_files(config, files, found)
    if config.store_thresholds:
        store(config, metrics)


def check_source(config: Config) -> None:
    """Raise ValueError unless the flags name either weights or a pair of files to evaluate."""
    pair = (bool(config.ground_truth), config.detections is not None)
    if pair == (False, False) and config.weights is None:
        raise ValueError("nothing to evaluate: give --weights, or --ground-truth and --detections")
    if any(pair) and not all(pair):
        raise ValueError("--ground-truth and --detections go together: give both, or --weights and --data")
    if all(pair) and config.weights is not None:
        raise ValueError("--weights detects on --data; to evaluate --detections, remove --weights")
    if config.store_thresholds:
        if config.weights is None:
            raise ValueError("--store-thresholds stores them in the file of --weights: give one")
        refuse_exported(
            config.weights, "has its thresholds from the checkpoint, where --store-thresholds stores them"
        )


class Inputs(NamedTuple):
    """The ground truth and detections to evaluate, and (name, value) pairs for the report."""

    files: GroundTruthFiles
    found: FlatDetections
    facts: list[tuple[str, str]]


def detect(config: Config) -> Inputs:
    """Detect on the data with the weights."""
    assert config.weights is not None
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    trained = ready_for_inference(
        load_trained(
            config.weights,
            device,
            model=config.model,
            classes=config.classes,
            image_size=config.image_size,
            amp=config.amp,
            trust=config.trust_weights,
        ),
        config.amp,
        check=False,  # 16-bit floats show in the metrics, as in training
    )
    on_device = describe_trained(trained)
    print(on_device)
    index = read_for(trained.class_names, config)
    print_notes(index)
    require_images(index, ", ".join(config.data))
    require_boxes(index, ", ".join(config.data))
    workers = automatic_workers(usable_cores(), device.type == "cuda")
    settings = DetectSettings(
        config.confidence, config.nms_iou, config.max_detections, trained.autocast, config.rectangular
    )
    found = detect_dataset(
        trained.detector,
        index,
        trained.image_size,
        config.batch_size,
        workers if config.workers is None else config.workers,
        settings,
    )
    for text in unreadable_lines("counted as without detections", found.skipped):
        print(text)
    speed = found.watch.describe(len(index), "image")
    print(speed)
    height, width = trained.image_size
    facts = [
        ("weights", str(config.weights)),
        ("model", f"{trained.model_name}, input {height}x{width}"),
        ("data", ", ".join(config.data)),
        ("speed", f"{on_device}: {speed}"),
        ("settings", f"confidence threshold {config.confidence:g}, NMS IoU {config.nms_iou:g}"),
    ]
    return Inputs(files_of_index(index), flatten_detections(found.detections), facts)


def read_for(class_names: tuple[str, ...], config: Config) -> DatasetIndex:
    """Read the data with the classes of the weights; all as one for weights of `train.py --single-class`."""
    if class_names != (SINGLE_CLASS,):
        return read_many(config.data, class_names)
    numbers = None if all(map(names_classes, config.data)) else [*map(str, range(MAX_CLASSES))]
    index = read_many(config.data, numbers)
    if SINGLE_CLASS in index.class_names:
        return read_many(config.data, class_names)
    print(f"all classes of the data count as one, {SINGLE_CLASS}, as the weights were trained")
    return as_single_class(index)


def read_files(config: Config) -> Inputs:
    """Read ground truth and detections from files."""
    assert config.detections is not None
    files, (found,) = read_ground_truth_and_results(config.ground_truth, [config.detections], config.classes)
    facts = [("ground truth", config.ground_truth), ("detections", str(config.detections))]
    return Inputs(files, found, facts)


def compare_with_other(config: Config, files: GroundTruthFiles, matched: Matched) -> dict[str, str]:
    """Compare with the detections of --compare: return a sentence per metric; empty without --compare."""
    if config.compare is None:
        return {}
    other = match_detections(read_results(config.compare, files), files.ground_truth, config.min_overlap)
    names = str(config.compare), str(config.detections or config.weights)
    comparisons = compare(other, matched, max(config.resamples, 100), config.seed)
    return {comparison.metric: comparison.sentence(names) for comparison in comparisons}


def save_files(config: Config, files: GroundTruthFiles, found: FlatDetections) -> None:
    """Write ground truth and detections if --save-json or --save-txt is given."""
    if config.save_json:
        write_coco_ground_truth(config.output / "ground_truth.json", files.ground_truth, files.names)
        write_coco_results(config.output / "detections.json", found)
    if config.save_txt:
        write_text_folders(config.output, files.ground_truth, found, files.names)


def store(config: Config, metrics: Metrics) -> None:
    """Store the best confidence thresholds in the weights."""
    assert config.weights is not None
    thresholds = best_thresholds(metrics.best_f1_confidence, metrics.best_confidence)
    store_thresholds(config.weights, thresholds)
    print(f"stored in {config.weights}: confidence {thresholds.overall:.3f}, and one for each class")


if __name__ == "__main__":
    run(main, Config)
