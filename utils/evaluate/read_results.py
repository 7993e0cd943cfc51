"""Read ground truth and detections from files of any program, for evaluation."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from warnings import warn

from utils.data.class_names import class_name, read_classes
from utils.data.index import DatasetIndex
from utils.data.notes import note_lines
from utils.evaluate.coco_ground_truth import read_coco_ground_truth
from utils.evaluate.coco_results import Join, read_coco_results
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.evaluate.text_results import TextBoxes, read_text_boxes, text_ground_truth, text_results
from utils.formats.read_data import read_data


class GroundTruthFiles(NamedTuple):
    """Ground truth from files.

    names  names of the images: file names, or names of text files
    paths  paths of the images, if known
    ids    image id -> image index, and category id -> label; empty if the files have no ids
    """

    ground_truth: GroundTruth
    names: list[str]
    paths: list[Path] | None
    ids: tuple[Mapping[Any, int], Mapping[Any, int]]


def files_of_index(index: DatasetIndex) -> GroundTruthFiles:
    """Return the ground truth of a data set; ids count from 1, as `write_results.py` writes them."""
    paths = [*map(Path, index.paths())]
    ground_truth = GroundTruth.from_index(index)
    ids = (
        {number + 1: number for number in range(size)} for size in (len(paths), len(ground_truth.class_names))
    )
    return GroundTruthFiles(ground_truth, [str(path) for path in paths], paths, (next(ids), next(ids)))


def read_ground_truth_and_results(
    ground_truth: str, detections: Sequence[Path], classes: Path | None = None
) -> tuple[GroundTruthFiles, list[FlatDetections]]:
    """Read ground truth, and one or more result files for it.

    ground_truth  COCO JSON, with or without `:images/`; a folder of text files; or any spec of `read_data`
    detections    COCO results, the JSON of predict.py, or folders of text files
    classes       file of class names, for data without names; default: the names in the files

    Raises ValueError with the fix for files that cannot be read or do not fit together.
    """
    texts = {path: read_text_boxes(path, with_scores=True) for path in detections if path.is_dir()}
    names = None if classes is None else read_classes(classes)
    files = _read_ground_truth(ground_truth, names, list(texts.values()))
    return files, [_join(path, texts.get(path), files) for path in detections]


def read_results(path: Path, files: GroundTruthFiles) -> FlatDetections:
    """Read another result file, or folder of text files, for the same ground truth."""
    return _join(path, read_text_boxes(path, with_scores=True) if path.is_dir() else None, files)


def _read_ground_truth(
    spec: str, names: Sequence[str] | None, results: Sequence[TextBoxes]
) -> GroundTruthFiles:
    folder = Path(spec)
    if folder.is_dir() and any(folder.glob("*.txt")):
        boxes = read_text_boxes(folder, with_scores=False)
        ground_truth = text_ground_truth(boxes, names or _all_names(boxes, results))
        return GroundTruthFiles(ground_truth, boxes.ids, None, ({}, {}))
    if ".json" in spec.lower():
        if names is not None:
            raise ValueError(f"{spec} has class names of its own: remove --classes")
        file, images = _split_json(spec)
        coco = read_coco_ground_truth(file)
        paths = [images / name for name in coco.file_names] if images else None
        return GroundTruthFiles(coco.ground_truth, coco.file_names, paths, (coco.rows, coco.labels))
    index = read_data(spec, names)
    for line in note_lines(index.notes):
        warn(f"{spec}: {line}", stacklevel=2)
    return files_of_index(index)


def _split_json(spec: str) -> tuple[Path, Path | None]:
    """Split `instances.json:images/`; a colon may also follow a Windows drive."""
    end = spec.lower().rindex(".json") + len(".json")
    file, rest = Path(spec[:end]), spec[end:]
    if not rest:
        return file, None
    images = Path(rest.removeprefix(":"))
    if not rest.startswith(":") or not images.is_dir():
        raise ValueError(f"--ground-truth {spec}: the image folder {images.absolute()} does not exist")
    return file, images


def _all_names(boxes: TextBoxes, results: Sequence[TextBoxes]) -> list[str]:
    """Return the classes of all objects and detections, sorted."""
    labelled = set(boxes.names)
    detected = {name for result in results for name in result.names}
    if detected and labelled and not detected & labelled:
        raise ValueError(
            f"no class of {results[0].folder} ({', '.join(sorted(detected)[:5])}) is one of {boxes.folder} "
            f"({', '.join(sorted(labelled)[:5])}): class names must be spelled the same"
        )
    return sorted(labelled | detected)


def _join(path: Path, text: TextBoxes | None, files: GroundTruthFiles) -> FlatDetections:
    rows, labels = files.ids
    class_names = files.ground_truth.class_names
    if text is not None:
        return text_results(text, _stems(files.names) | _once(files.names), class_names)
    by_id = Join("image_id", "category_id", _number_of(rows), _number_of(labels))
    by_name = Join(
        "image",
        "category",
        _file_number(files.names),
        _class_number(class_names),
    )
    return read_coco_results(path, by_id, by_name)


def _number_of(numbers: Mapping[Any, int]) -> Callable[[Any], int]:
    return lambda value: numbers.get(value, -1)


def _class_number(class_names: Sequence[str]) -> Callable[[Any], int]:
    """Return a function from a class name, in any spelling that `class_name` allows, to its label."""
    labels = {name: label for label, name in enumerate(class_names)}

    def number(name: Any) -> int:
        if name in labels:
            return labels[name]
        with suppress(ValueError):
            return labels.get(class_name(name), -1)
        return -1

    return number


def _file_number(names: Sequence[str]) -> Callable[[Any], int]:
    """Return a function from a path to its image index, by file name with or without extension."""
    full, stems = _once([_base(name) for name in names]), _stems(names)

    def number(path: Any) -> int:
        base = _base(str(path))
        found = (known[name] for known in (full, stems) for name in (base, _stem(base)) if name in known)
        return next(found, -1)

    return number


def _stems(names: Sequence[str]) -> dict[str, int]:
    return _once([_stem(_base(name)) for name in names])


def _once(names: Sequence[str]) -> dict[str, int]:
    """Return the indices of the names that occur once."""
    counts = Counter(names)
    return {name: number for number, name in enumerate(names) if counts[name] == 1}


def _base(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _stem(base: str) -> str:
    return base.rpartition(".")[0] or base
