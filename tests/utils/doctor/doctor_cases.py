"""Splits for the tests of checks, without any file."""

import numpy as np

from utils.data.index import ImageRecord, build_index
from utils.data.notes import CLIPPED, FILES_UNUSED, NO_LABEL_FILE, OBJECTS_SKIPPED, OTHER_CLASSES, NoteTaker
from utils.doctor.image_facts import ImageFacts
from utils.doctor.splits import Split

CLASSES = ("cat", "dog")
SIZE = (80, 100)  # height, width


def image_case(*boxes, labels=None, stated=(0, 0), crowd=None, difficult=None, **facts):
    """One image: its boxes xyxy, labels (0 where not given), size stated, and what its file is."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.array(labels if labels is not None else [0] * len(boxes), np.int32)
    flags = {
        name: None if flag is None else np.array(flag, bool)
        for name, flag in (("crowd", crowd), ("difficult", difficult))
    }
    record = ImageRecord("", array, numbers, size=stated, **flags)
    return record, ImageFacts(**{"error": "", "size": SIZE, "mode": "RGB", "format": "JPEG", **facts})


def split(
    name,
    *images,
    problems=(),
    clipped=0,
    unknown_names=None,
    unused=(),
    unlabelled=(),
    classes=CLASSES,
    suffix=".jpg",
):
    """A split of the images, whose files are called NAME0.jpg and so on."""
    records = [
        ImageRecord(f"{name}{k}{suffix}", r.boxes, r.labels, r.difficult, r.crowd, size=r.size)
        for k, (r, _) in enumerate(images)
    ]
    facts = [facts for _, facts in images]
    taker = NoteTaker()
    for file, reason in problems:
        taker.add(OBJECTS_SKIPPED, file, reason)
    for file in unused:
        taker.add(FILES_UNUSED, file, "no image of that name")
    for file in unlabelled:
        taker.add(NO_LABEL_FILE, file, "no label file")
    for number in range(clipped):
        taker.add(CLIPPED, f"{number}.xml", "a box reaches beyond the image")
    for unknown, count in (unknown_names or {}).items():
        taker.add(OTHER_CLASSES, "a.xml", "not in the list", subject=unknown, count=count)
    return Split(name, build_index(records, classes, taker.notes()), facts)


def kinds(findings):
    """The number, severity and images of each finding, by kind."""
    return {
        f.kind: (f.number, f.severity, [(p.split, p.image_number) for p in f.locations]) for f in findings
    }
