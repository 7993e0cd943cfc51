"""The splits of a data set, with what the readers skipped."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.data.index import DatasetIndex
from utils.data.merge import relabel
from utils.data.notes import (
    CLIPPED,
    FILES_UNUSED,
    IMAGES_REPEATED,
    IMAGES_SKIPPED,
    IMAGES_SPLIT,
    NO_LABEL_FILE,
    OBJECTS_SKIPPED,
    OTHER_CLASSES,
    REPAIRED,
    Problem,
    count_of,
    counts_by_subject,
    problems_of,
)
from utils.doctor.image_facts import ImageFacts, examine_images
from utils.formats.read_data import read_data

FAULTS = (IMAGES_SKIPPED, OBJECTS_SKIPPED, IMAGES_REPEATED, IMAGES_SPLIT, REPAIRED)


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    name   train, val, test or a name given by the user
    index  valid images and boxes
    facts  properties of each image file, in order; empty before `examine_splits`
    """

    name: str
    index: DatasetIndex
    facts: Sequence[ImageFacts] = ()

    @property
    def problems(self) -> list[Problem]:
        """Faults in the annotations, whose objects or images were skipped or repaired."""
        return problems_of(self.index.notes, FAULTS)

    @property
    def clipped(self) -> int:
        """Number of boxes that the reader clipped to the image."""
        return count_of(self.index.notes, CLIPPED)

    @property
    def unused_files(self) -> list[Problem]:
        """Files beside the images and labels that belong to none."""
        return problems_of(self.index.notes, [FILES_UNUSED])

    @property
    def unlabelled(self) -> list[Problem]:
        """Images whose label file was sought and not found."""
        return problems_of(self.index.notes, [NO_LABEL_FILE])

    @property
    def unknown_names(self) -> dict[str, int]:
        """Class names missing in the class list, with the number of objects skipped."""
        return counts_by_subject(self.index.notes, OTHER_CLASSES)

    def paths(self) -> list[Path]:
        """Return the image files, in order."""
        return list(map(Path, self.index.paths()))


def read_splits(specs: Mapping[str, str], class_names: Sequence[str] | None) -> list[Split]:
    """Read each data set once (see `read_data`); `specs` maps split names to specs.

    class_names  class names of all splits; None: the names in all splits, in order of first appearance

    Raises ValueError if a data set cannot be read at all.
    """
    splits = [Split(name, read_data(spec, class_names)) for name, spec in specs.items()]
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
