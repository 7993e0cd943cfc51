"""The data sets of a run, read before it starts: whatever is wrong with any of them is told at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.data_spec import given_classes, read_many, require_boxes, require_images
from utils.index import DatasetIndex
from utils.picture_check import require_readable
from utils.preflight import Preflight


def read_run_data(
    specs: Mapping[str, Sequence[str]], classes: Path | None, default_classes: Path, preflight: Preflight
) -> dict[str, DatasetIndex]:
    """The data sets by name, "train" first; one without specs is left out. Problems go to `preflight`.

    Class names are those of the file `classes`, else those that the training data brings, else those of the
    file `default_classes`.
    """
    data: dict[str, DatasetIndex] = {}
    names, readable = None, False
    with preflight.check():
        names, readable = given_classes(classes, tuple(specs["train"]), default_classes), True
    for name, given in specs.items():
        if readable and given:
            with preflight.check():
                data[name] = read_many(given, names)
                names = names or data[name].class_names  # those of the training data, for all
                for require in (require_images, require_boxes, require_readable):
                    require(data[name], ", ".join(given))
    return data
