"""Measure a detector: python get_map.py --weights logs/RUN/best.pt --data VOCdevkit/VOC2007:test

Or detections that any program wrote: --ground-truth instances.json --detections results.json. Prints VOC and
COCO average precision and what is behind them, and writes report.html, metrics.json and curves.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from utils.analysis.analyse import analyse
from utils.analysis.compare import compare
from utils.analysis.per_image import write_image_figures
from utils.evaluate.evaluator import Matched, Metrics, compute_metrics, match_detections
from utils.evaluate.ground_truth import FlatDetections, flatten_detections
from utils.evaluate.read_results import TruthFiles, files_of_index, read_measured, read_results
from utils.evaluate.write_results import write_coco_results, write_coco_truth, write_text_folders
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
from utils.system.files import write_text
from utils.system.memory import keep_freed_memory
from utils.system.validation import check_values
from utils.weights.file_kind import refuse_exported
from utils.weights.thresholds import best_thresholds, store_thresholds


@dataclass(frozen=True)
class Config:
    """Measure a detector on a data set, or detections that are in files."""

    weights: Path | None = None  # of train.py or export.py, other weights, or pretrained with --model
    data: tuple[str, ...] = (str(ROOT / "2007_val.txt"),)  # lists, VOC2007:test, a.json:images/, ...
    ground_truth: str = ""  # instead of weights and data: COCO JSON, a text folder, or data as above
    detections: Path | None = None  # with --ground-truth: COCO results, JSON of predict.py, text folder
    compare: Path | None = None  # other detections of the same images: which are better, and is it chance?
    min_overlap: float = 0.5  # overlap with an object that a correct box needs, in all but the COCO figures
    confidence: float = 0.001  # least score of a box; small, since AP is measured over all thresholds
    score_threshold: float = 0.5  # the confidence that precision, recall and F1 are reported for
    nms_iou: float = 0.5  # of two boxes of a class that overlap more than this, the better one stays
    max_detections: int = 300  # most boxes on one image
    resamples: int = 1000  # of the images, for 95 % intervals; 0 makes none
    output: Path = Path("map_out")  # folder for report.html, metrics.json, metrics.txt and the curves
    save_json: bool = False  # write ground truth and detections as COCO JSON too
    save_txt: bool = False  # write them as text, a file an image, in ground-truth/ and detection-results/
    store_thresholds: bool = False  # store the best confidences in the weights, for predict.py and video.py
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights or files that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    batch_size: int = 8  # images at a time
    rectangular: bool = False  # cut batches to the shapes of their images: faster, figures nearly the same
    workers: int | None = None  # processes that load images; by default chosen by the machine
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    seed: int = 0  # of the resamples


def main(config: Config) -> None:
    """Detect or read detections, compare them with the objects, print and write the figures."""
    keep_freed_memory()
    check_values(
        vars(config),
        {"at least 1": ("batch_size", "max_detections"), "at least 0": ("workers", "resamples", "seed")},
    )
    check_source(config)
    files, found, facts = detect(config) if config.detections is None else read_files(config)
    matched = match_detections(found, files.truth, config.min_overlap)
    metrics = compute_metrics(matched, config.score_threshold)
    print(metrics.table())
    analysis = analyse(matched, metrics.operating_confidence, config.resamples, config.seed)
    print(analysis.text(metrics.class_names))
    comparisons = compare_with_other(config, files, matched)
    for sentence in comparisons.values():
        print(sentence)
    content = metrics.to_json() | {"analysis": analysis.to_json(metrics.class_names)}
    content |= {"comparison": comparisons} if comparisons else {}
    write_text(config.output / "metrics.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write_text(config.output / "metrics.txt", metrics.table() + "\n")
    write_image_figures(config.output / "images.csv", analysis.images, files.names)
    write_curves(metrics.curves, metrics.class_names, config.output)
    title = Path(config.weights or config.detections or "").name
    report = Report(
        title=title,
        metrics=metrics,
        analysis=analysis,
        matched=matched,
        paths=files.paths,
        names=files.names,
        facts=facts,
        comparisons=list(comparisons.values()),
    )
    write_report(config.output / "report.html", report)
    print(f"written: {config.output / 'report.html'}, metrics.json, images.csv and curves beside it")
    save_files(config, files, found)
    if config.store_thresholds:
        store(config, metrics)


def check_source(config: Config) -> None:
    """ValueError unless there is either a model or a pair of files to measure."""
    pair = (bool(config.ground_truth), config.detections is not None)
    if pair == (False, False) and config.weights is None:
        raise ValueError("what is to be measured? Give --weights, or --ground-truth and --detections")
    if any(pair) and not all(pair):
        raise ValueError("--ground-truth and --detections go together: give both, or --weights and --data")
    if all(pair) and config.weights is not None:
        raise ValueError("--weights detects on --data; to measure --detections leave --weights out")
    if config.store_thresholds and config.weights is None:
        raise ValueError("--store-thresholds stores them in the file given with --weights: give one")
    if config.store_thresholds and config.weights is not None:
        refuse_exported(
            config.weights, "has its thresholds from the checkpoint, where --store-thresholds stores them"
        )


class Measured(NamedTuple):
    """What is measured: the objects that are there, what was found, and facts for the report."""

    files: TruthFiles
    found: FlatDetections
    facts: list[tuple[str, str]]


def detect(config: Config) -> Measured:
    """What the weights find on the data, and the objects that are there."""
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
        ),
        config.amp,
        check=False,  # what they change is measured here, and figures are those of the training
    )
    on_device = describe_trained(trained)
    print(on_device)
    index = read_many(config.data, trained.class_names)
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
    for path in found.skipped:
        print(f"cannot be read, counted as nothing found: {path}")
    speed = found.watch.describe(len(index), "image")
    print(speed)
    height, width = trained.image_size
    facts = [
        ("weights", str(config.weights)),
        ("model", f"{trained.model_name}, input {height}x{width}"),
        ("data", ", ".join(config.data)),
        ("speed", f"{on_device}: {speed}"),
        ("settings", f"confidence from {config.confidence:g}, NMS at {config.nms_iou:g}"),
    ]
    return Measured(files_of_index(index), flatten_detections(found.detections), facts)


def read_files(config: Config) -> Measured:
    """What the files say."""
    assert config.detections is not None
    files, (found,) = read_measured(config.ground_truth, [config.detections], config.classes)
    facts = [("ground truth", config.ground_truth), ("detections", str(config.detections))]
    return Measured(files, found, facts)


def compare_with_other(config: Config, files: TruthFiles, matched: Matched) -> dict[str, str]:
    """Which of two results is better, a sentence for each figure; nothing without another result."""
    if config.compare is None:
        return {}
    other = match_detections(read_results(config.compare, files), files.truth, config.min_overlap)
    names = str(config.compare), str(config.detections or config.weights)
    comparisons = compare(other, matched, max(config.resamples, 100), config.seed)
    return {comparison.figure: comparison.sentence(names) for comparison in comparisons}


def save_files(config: Config, files: TruthFiles, found: FlatDetections) -> None:
    """Write ground truth and detections where that was asked for."""
    if config.save_json:
        write_coco_truth(config.output / "ground_truth.json", files.truth, files.names)
        write_coco_results(config.output / "detections.json", found)
    if config.save_txt:
        write_text_folders(config.output, files.truth, found, files.names)


def store(config: Config, metrics: Metrics) -> None:
    """Store the best confidences in the weights."""
    assert config.weights is not None
    thresholds = best_thresholds(metrics.best_f1_confidence, metrics.best_confidence)
    store_thresholds(config.weights, thresholds)
    print(f"stored in {config.weights}: confidence {thresholds.overall:.3f}, and one for each class")


if __name__ == "__main__":
    run(main, Config)
