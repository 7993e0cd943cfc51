"""Split the images of a VOC folder into train, val and test: the id lists in `ImageSets/Main`.

A file next to the lists (`split.json`) holds their hash. Lists that do not match it were made or changed by
the user, and are kept unless the caller decides otherwise.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from utils.formats.voc_folder import read_ids
from utils.system.files import read_text, write_text

VOC_SPLITS = ("train", "val", "trainval", "test")
MARKER_FILE = "split.json"

ImageSets = Mapping[str, Sequence[str]]  # ids by name of the list


@dataclass(frozen=True)
class Shares:
    """Fractions of a split: `trainval` of all images (rest: test), `train` of trainval (rest: val)."""

    trainval: float
    train: float
    seed: int


def make_split(ids: Sequence[str], shares: Shares) -> ImageSets:
    """Split the ids at random, independent of their order; each list is sorted.

    A fraction between 0 and 1 leaves at least one image on either side, if there are two or more.
    """
    for flag, share in (("--trainval-percent", shares.trainval), ("--train-percent", shares.train)):
        if not 0 <= share <= 1:
            raise ValueError(f"{flag} is {share}: give a share between 0 and 1, such as 0.9")
    shuffled = sorted(ids)
    random.Random(shares.seed).shuffle(shuffled)
    trainval = shuffled[: _count(len(shuffled), shares.trainval)]
    train = trainval[: _count(len(trainval), shares.train)]
    parts = (train, trainval[len(train) :], trainval, shuffled[len(trainval) :])
    return {name: sorted(part) for name, part in zip(VOC_SPLITS, parts, strict=True)}


def users_split(root: Path, planned: ImageSets) -> ImageSets:
    """Return the id lists that the user made; empty if this program wrote them or would write the same."""
    found = {name: read_ids(root, name) for name in VOC_SPLITS if (_main(root) / f"{name}.txt").is_file()}
    ours = (_fingerprint(planned), _stored_fingerprint(root))
    return {} if not any(found.values()) or _fingerprint(found) in ours else found


def write_split(root: Path, split: ImageSets, shares: Shares) -> None:
    """Write the id lists, and the file that marks them as written by this program."""
    for name, ids in split.items():
        write_text(_main(root) / f"{name}.txt", "".join(f"{image_id}\n" for image_id in ids))
    marker = {"written_by": "voc_annotation.py", **asdict(shares), "sha256": _fingerprint(split)}
    write_text(_main(root) / MARKER_FILE, json.dumps(marker, indent=2) + "\n")


def _count(number: int, share: float) -> int:
    if number < 2 or share in (0, 1):
        return round(number * share)
    return min(max(round(number * share), 1), number - 1)


def _main(root: Path) -> Path:
    return root / "ImageSets" / "Main"


def _fingerprint(split: ImageSets) -> str:
    lists = {name: list(split[name]) for name in sorted(split)}
    return sha256(json.dumps(lists).encode()).hexdigest()


def _stored_fingerprint(root: Path) -> str:
    try:
        marker = json.loads(read_text(_main(root) / MARKER_FILE))
    except ValueError:  # no such file, or not written by this program
        return ""
    return str(marker.get("sha256", "")) if isinstance(marker, dict) else ""
