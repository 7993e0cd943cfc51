"""Ground truth and detections that were written to files, by any program, brought together to be measured."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from utils.data.class_names import read_classes
from utils.data.index import DatasetIndex
from utils.evaluate.coco_ground_truth import read_coco_truth
from utils.evaluate.coco_results import Join, read_coco_results
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.evaluate.text_results import TextBoxes, read_text_boxes, text_results, text_truth
from utils.formats.read_data import read_data


class TruthFiles(NamedTuple):
    """Ground truth from files.

    names  of the images: file names, or the names of text files
    paths  where the images are, if that is known
    ids    image ids and category ids -> image numbers and labels, where the files have any
    """

    truth: GroundTruth
    names: list[str]
    paths: list[Path] | None
    ids: tuple[Mapping[Any, int], Mapping[Any, int]]


def files_of_index(index: DatasetIndex) -> TruthFiles:
    """Ground truth from a data set; ids are numbers from 1, as `write_results.py` writes them."""
    paths = [*map(Path, index.paths())]
    truth = GroundTruth.from_index(index)
    ids = ({number + 1: number for number in range(size)} for size in (len(paths), len(truth.class_names)))
    return TruthFiles(truth, [str(path) for path in paths], paths, (next(ids), next(ids)))


def read_measured(
    ground_truth: str, detections: Sequence[Path], classes: Path | None = None
) -> tuple[TruthFiles, list[FlatDetections]]:
    """Read ground truth, and one or more results for it.

    ground_truth  COCO JSON, with `:images/` or without; a folder of text files; or anything that `read_data`
        takes
    detections    COCO results, the JSON of predict.py, or folders of text files
    classes       class names, for data without any; by default those in the files

    Raises ValueError with the fix for what cannot be read or does not belong together.
    """
    texts = {path: read_text_boxes(path, with_scores=True) for path in detections if path.is_dir()}
    names = None if classes is None else read_classes(classes)
    files = _read_truth(ground_truth, names, list(texts.values()))
    return files, [_join(path, texts.get(path), files) for path in detections]


def read_results(path: Path, files: TruthFiles) -> FlatDetections:
    """Read more results for ground truth that is there: a file, or a folder of text files."""
    return _join(path, read_text_boxes(path, with_scores=True) if path.is_dir() else None, files)


def _read_truth(spec: str, names: Sequence[str] | None, results: Sequence[TextBoxes]) -> TruthFiles:
    folder = Path(spec)
    if folder.is_dir() and any(folder.glob("*.txt")):
        boxes = read_text_boxes(folder, with_scores=False)
        truth = text_truth(boxes, names or _all_names(boxes, results))
        return TruthFiles(truth, boxes.ids, None, ({}, {}))
    if ".json" in spec.lower():
        if names is not None:
            raise ValueError(f"{spec} names its own classes: leave out --classes")
        file, images = _split_json(spec)
        coco = read_coco_truth(file)
        paths = [images / name for name in coco.file_names] if images else None
        return TruthFiles(coco.truth, coco.file_names, paths, (coco.rows, coco.labels))
    return files_of_index(read_data(spec, names))


def _split_json(spec: str) -> tuple[Path, Path | None]:
    """`instances.json:images/` in its parts; a colon may also follow a Windows drive."""
    end = spec.lower().rindex(".json") + len(".json")
    file, rest = Path(spec[:end]), spec[end:]
    if not rest:
        return file, None
    images = Path(rest.removeprefix(":"))
    if not rest.startswith(":") or not images.is_dir():
        raise ValueError(f"--ground-truth {spec}: the image folder {images.absolute()} does not exist")
    return file, images


def _all_names(boxes: TextBoxes, results: Sequence[TextBoxes]) -> list[str]:
    """The classes of the objects, and those that were only detected, in the order of a dictionary."""
    labelled = set(boxes.names)
    detected = {name for result in results for name in result.names}
    if detected and labelled and not detected & labelled:
        raise ValueError(
            f"no class of {results[0].folder} ({', '.join(sorted(detected)[:5])}) is one of {boxes.folder} "
            f"({', '.join(sorted(labelled)[:5])}): class names have to be written alike"
        )
    return sorted(labelled | detected)


def _join(path: Path, text: TextBoxes | None, files: TruthFiles) -> FlatDetections:
    rows, labels = files.ids
    class_names = files.truth.class_names
    if text is not None:
        return text_results(text, _stems(files.names) | _once(files.names), class_names)
    by_id = Join("image_id", "category_id", _number_of(rows), _number_of(labels))
    by_name = Join(
        "image",
        "category",
        _file_number(files.names),
        _number_of({name: k for k, name in enumerate(class_names)}),
    )
    return read_coco_results(path, by_id, by_name)


def _number_of(numbers: Mapping[Any, int]) -> Callable[[Any], int]:
    return lambda value: numbers.get(value, -1)


def _file_number(names: Sequence[str]) -> Callable[[Any], int]:
    """Which image a path means: by its file name, or by that without extension."""
    full, stems = _once([_base(name) for name in names]), _stems(names)

    def number(path: Any) -> int:
        base = _base(str(path))
        found = (known[name] for known in (full, stems) for name in (base, _stem(base)) if name in known)
        return next(found, -1)

    return number


def _stems(names: Sequence[str]) -> dict[str, int]:
    return _once([_stem(_base(name)) for name in names])


def _once(names: Sequence[str]) -> dict[str, int]:
    """Numbers of those names that occur once."""
    counts = Counter(names)
    return {name: number for number, name in enumerate(names) if counts[name] == 1}


def _base(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _stem(base: str) -> str:
    return base.rpartition(".")[0] or base
