"""The results of a cross-validation: a table, a report page, and cross_validation.json."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.analysis.analyse import Analysis, analyse
from utils.data.detections import Detections
from utils.data.index import DatasetIndex
from utils.data.summary import align_columns
from utils.evaluate.evaluator import Metrics, compute_metrics, match_detections
from utils.evaluate.metrics import metric_text, none_if_nan
from utils.report.data import Report
from utils.report.page import write_report
from utils.run.metrics_file import read_metrics
from utils.run.run_evaluation import BEST
from utils.system.files import NOT_UTF8, write_text

RESULTS = "cross_validation.json"
MAX_ERRORS_SHOWN = 5


class Result(NamedTuple):
    """What the runs of a cross-validation found.

    images      all images
    detections  detections on each of them, by the model that was not trained on it
    folds       metrics of each fold, on the images held out
    final       folder of the run on all images
    test_images number of test images, on which the final weights were evaluated; 0 without test data
    """

    images: DatasetIndex
    detections: Sequence[Detections]
    folds: Sequence[Metrics]
    final: Path
    test_images: int


class Spread(NamedTuple):
    """Mean and sample standard deviation of a metric over the folds; NaN where it is not defined."""

    mean: float
    deviation: float


def spread(values: Sequence[float]) -> Spread:
    """Return mean and standard deviation of the values that are not NaN."""
    known = np.array([value for value in values if not np.isnan(value)])
    mean = float(known.mean()) if len(known) else float("nan")
    return Spread(mean, float(known.std(ddof=1)) if len(known) > 1 else float("nan"))


def write_results(folder: Path, result: Result) -> None:
    """Evaluate all detections together; print and write the results, also as a report."""
    matched = match_detections(result.detections, result.images)
    metrics = compute_metrics(matched)
    analysis = analyse(matched, metrics.operating_confidence)
    paths = [*map(Path, result.images.paths())]
    print(f"\ncross-validation: {len(paths)} images, each detected by the model that was not trained on it,")
    print(f"with the last weights of each fold\n\n{metrics.table()}\n{analysis.text(metrics.class_names)}")
    print(f"\n{fold_table(result, metrics)}")
    for line in label_error_lines(analysis, metrics.class_names, paths):
        print(line)
    weights = result.final / BEST
    report = Report(
        title=folder.name,
        metrics=metrics,
        analysis=analysis,
        matched=matched,
        paths=paths,
        facts=[
            ("data", f"{len(paths)} images, each detected by the model that was not trained on it"),
            ("weights", f"last.pt of {len(result.folds)} folds"),
            *((f"{name} of the folds", fold_text(result.folds, key)) for key, name in NAMES.items()),
        ],
    )
    content = to_json(result, metrics, analysis, paths)
    write_text(folder / RESULTS, json.dumps(content, indent=2, ensure_ascii=False) + "\n", errors=NOT_UTF8)
    write_report(folder / "report.html", report)
    print(f"""
final weights  {weights} (all images, last epoch)
report         {folder / "report.html"}
figures        {folder / RESULTS}

next:
  python predict.py IMAGE_OR_FOLDER --weights {weights}""")


NAMES = {"map50": "mAP50", "map50_95": "mAP50-95"}


def fold_spread(folds: Sequence[Metrics], name: str) -> Spread:
    """Return the spread of a metric, a key of `NAMES`, over the folds."""
    return spread([getattr(fold, name) for fold in folds])


def fold_text(folds: Sequence[Metrics], name: str) -> str:
    """Return mean and standard deviation of a metric over the folds as text."""
    mean, deviation = fold_spread(folds, name)
    return f"mean {metric_text(mean)}, standard deviation {metric_text(deviation)}"


def fold_table(result: Result, metrics: Metrics) -> str:
    """Return a table: the metrics of each fold, their spread, of all images, and of the final weights."""
    spreads = [fold_spread(result.folds, name) for name in NAMES]
    final = last_metrics(result.final) if result.test_images else {}

    def row(name: str, images: str, values: Iterable[float]) -> list[str]:
        return [name, images, *map(metric_text, values)]

    return align_columns(
        [
            ["", "images", *NAMES.values()],
            *(
                row(f"fold {number}", str(fold.num_images), [getattr(fold, name) for name in NAMES])
                for number, fold in enumerate(result.folds, 1)
            ),
            row("mean", "", [found.mean for found in spreads]),
            row("standard deviation", "", [found.deviation for found in spreads]),
            row("all together", str(metrics.num_images), [getattr(metrics, name) for name in NAMES]),
            *([row("final weights, test data", str(result.test_images), final.values())] if final else []),
        ]
    )


def label_error_lines(analysis: Analysis, class_names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Return the most likely label errors as lines; the report has more, with their images."""
    errors = analysis.label_errors
    if not errors:
        return []
    lines = ["\nthe most likely label errors; the report shows all that were found, with their images:"]
    for error in errors[:MAX_ERRORS_SHOWN]:
        names = [class_names[label] for label in (error.label, error.suggested) if label >= 0]
        what = " -> ".join(dict.fromkeys(names))
        lines.append(f"  {paths[error.image_number].name}: {error.kind}, {what} ({error.score:.2f})")
    return lines


def to_json(result: Result, metrics: Metrics, analysis: Analysis, paths: Sequence[Path]) -> dict[str, Any]:
    """Return all figures as plain data, with None for NaN."""
    analysed = analysis.to_json(metrics.class_names)
    errors = [error | {"image": str(paths[error["image"]])} for error in analysed.pop("suspects")]
    spreads = {name: fold_spread(result.folds, name) for name in NAMES}
    return {
        "folds": [
            {"images": fold.num_images} | _plain({name: getattr(fold, name) for name in NAMES})
            for fold in result.folds
        ],
        "mean": _plain({name: found.mean for name, found in spreads.items()}),
        "standard_deviation": _plain({name: found.deviation for name, found in spreads.items()}),
        "out_of_fold": metrics.to_json() | {"analysis": analysed},
        "label_errors": errors,
        "final": {
            "weights": str(result.final / BEST),
            "test": _plain(last_metrics(result.final)) if result.test_images else None,
        },
    }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: none_if_nan(value) for name, value in values.items()}


def last_metrics(folder: Path) -> dict[str, float]:
    """Return the mAP of a run's last epoch from its metrics.csv."""
    history = read_metrics(folder)
    return {name: history[name][-1] for name in NAMES}
