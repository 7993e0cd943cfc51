"""The parts of a data set side by side, with what their readers left out."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from utils.data.index import DatasetIndex
from utils.data.summary import Problem
from utils.doctor.image_facts import ImageFacts, examine_images
from utils.formats.read_data import read_data
from utils.formats.voc import read_voc, split_names
from utils.system.files import read_text


@dataclass(frozen=True)
class Split:
    """One part of a data set.

    name      train, val, test or what the user calls it
    index     what its reader gives: sound boxes only
    problems  what is broken in its annotations, and was left out
    clipped   how many boxes the reader cut at the border of their image, where it counts them
    strangers names that are not in the class list, with their counts; left out too
    facts     of each image's file, in the index's order; empty before `examine_splits`
    """

    name: str
    index: DatasetIndex
    problems: Sequence[Problem] = ()
    clipped: int = 0
    strangers: Mapping[str, int] | None = None
    facts: Sequence[ImageFacts] = ()

    def paths(self) -> list[Path]:
        """The files of the images, in the index's order."""
        return [self.index.path(image) for image in range(len(self.index))]


def read_splits(specs: Mapping[str, str], class_names: Sequence[str] | None) -> list[Split]:
    """Read each data set (see `utils.formats.read_data`) by its name; all get the same classes.

    class_names  None: the names in all of them, in the order of the first

    Raises `ValueError` where one cannot be read at all.
    """
    splits = [_read_split(name, spec, class_names) for name, spec in specs.items()]
    if class_names is not None or len({split.index.class_names for split in splits}) == 1:
        return splits
    union = tuple(dict.fromkeys(name for split in splits for name in split.index.class_names))
    return [_read_split(name, spec, union) for name, spec in specs.items()]


def short_names(specs: Sequence[str]) -> list[str]:
    """A name for each data set: as much of the end of its path as tells it from the others."""
    bases = [re.sub(r"(\.json):.*$", r"\1", spec, flags=re.IGNORECASE) for spec in specs]
    names = list(specs)
    for length in range(max([len(Path(base).parts) for base in bases], default=0), 0, -1):
        shorter = ["/".join(Path(base).parts[-length:]) for base in bases]
        names = shorter if len(set(shorter)) == len(shorter) else names
    return names


def examine_splits(splits: Sequence[Split], workers: int) -> list[Split]:
    """The same with the facts of every file; a file that is in several is read once."""
    facts = examine_images([path for split in splits for path in split.paths()], workers)
    done, start = [], 0
    for split in splits:
        done.append(replace(split, facts=facts[start : start + len(split.index)]))
        start += len(split.index)
    return done


def _read_split(name: str, spec: str, class_names: Sequence[str] | None) -> Split:
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        index = read_data(spec, class_names)
    base, _, option = spec.rpartition(":")
    if Path(base).is_dir() and option in split_names(Path(base)):
        voc = read_voc(Path(base), option, class_names)
        problems = [problem for problem in voc.problems if not problem.reason.startswith("class not in")]
        return Split(name, index, problems, voc.clipped, voc.strangers)
    annotations = Path(spec if spec.lower().endswith(".json") else base)
    if annotations.suffix.lower() == ".json":
        broken, strangers = _coco_problems(annotations, index.class_names)
        return Split(name, index, broken, strangers=strangers)
    return Split(name, index, [Problem(spec, str(warning.message)) for warning in caught])


def _coco_problems(path: Path, class_names: Sequence[str]) -> tuple[list[Problem], Counter[str]]:
    """The boxes that `read_coco` leaves out of a file that it has accepted, one by one."""
    content: dict[str, Any] = json.loads(read_text(path))
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    problems, strangers = [], Counter[str]()
    for annotation in content["annotations"]:
        name, box = names[annotation["category_id"]], annotation["bbox"]
        if name not in class_names:
            strangers[name] += 1
        elif not min(box[2:]) > 0:
            text = ", ".join(f"{value:g}" for value in box)
            fault = "inverted" if min(box[2:]) < 0 else "empty"
            problems.append(Problem(files[annotation["image_id"]], f"box {text} (x, y, w, h) is {fault}"))
    return problems, strangers
