"""The splits of a data set, with what the readers skipped."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from warnings import catch_warnings, simplefilter

from utils.data.index import DatasetIndex
from utils.data.merge import relabel
from utils.data.summary import Problem
from utils.doctor.image_facts import ImageFacts, examine_images
from utils.formats.coco import index_coco, load_coco, skipped_annotations
from utils.formats.data_source import find_source
from utils.formats.read_data import read_data, require_usable
from utils.formats.voc import UNKNOWN_CLASS, read_voc


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    name           train, val, test or a name given by the user
    index          valid images and boxes
    problems       faults in the annotations, which were skipped
    clipped        number of boxes that the reader clipped to the image; 0 if the reader does not count them
    unknown_names  class names missing in the class list, with the number of objects skipped
    facts          properties of each image file, in order; empty before `examine_splits`
    """

    name: str
    index: DatasetIndex
    problems: Sequence[Problem] = ()
    clipped: int = 0
    unknown_names: Mapping[str, int] = field(default_factory=dict)
    facts: Sequence[ImageFacts] = ()

    def paths(self) -> list[Path]:
        """Return the image files, in order."""
        return list(map(Path, self.index.paths()))


def read_splits(specs: Mapping[str, str], class_names: Sequence[str] | None) -> list[Split]:
    """Read each data set once (see `read_data`); `specs` maps split names to specs.

    class_names  class names of all splits; None: the names in all splits, in order of first appearance

    Raises ValueError if a data set cannot be read at all.
    """
    splits = [_read_split(name, spec, class_names) for name, spec in specs.items()]
    if class_names is not None or len({split.index.class_names for split in splits}) == 1:
        return splits
    union = tuple(dict.fromkeys(name for split in splits for name in split.index.class_names))
    return [replace(split, index=relabel(split.index, union, split.name)) for split in splits]


def short_names(specs: Sequence[str]) -> list[str]:
    """Return a short unique name for each data set: the end of its path."""
    bases = [re.sub(r"(\.json):.*$", r"\1", spec, flags=re.IGNORECASE) for spec in specs]
    names = list(specs)
    for length in range(max([len(Path(base).parts) for base in bases], default=0), 0, -1):
        shorter = ["/".join(Path(base).parts[-length:]) for base in bases]
        names = shorter if len(set(shorter)) == len(shorter) else names
    return names


def examine_splits(splits: Sequence[Split], workers: int) -> list[Split]:
    """Return the splits with the `facts` of every image file; reads a file in several splits once."""
    facts = examine_images([path for split in splits for path in split.paths()], workers)
    done, start = [], 0
    for split in splits:
        done.append(replace(split, facts=facts[start : start + len(split.index)]))
        start += len(split.index)
    return done


def _read_split(name: str, spec: str, class_names: Sequence[str] | None) -> Split:
    source = find_source(spec)
    if source.kind == "voc":
        voc = read_voc(source.base, source.option, class_names)
        require_usable(source, voc)
        problems = [problem for problem in voc.problems if not problem.reason.startswith(UNKNOWN_CLASS)]
        return Split(name, voc.index, problems, voc.clipped, voc.unknown_names)
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        if source.kind == "coco":
            image_folder, content = source.image_folder, load_coco(source.base)
            index = index_coco(source.base, image_folder, content, class_names)
            problems, unknown_names = skipped_annotations(content, index.class_names)
            return Split(name, index, problems, unknown_names=unknown_names)
        index = read_data(spec, class_names)
    return Split(name, index, [Problem(spec, str(warning.message)) for warning in caught])
