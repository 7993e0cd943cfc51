"""Check a data set: python doctor.py --train 2007_train.txt --val 2007_val.txt --classes FILE

Prints the findings with a fix for each, and writes a page with images (index.html) and a list of every
location (problems.json). Exit status 1 if training would suffer or its metrics would mislead: images
missing or unreadable, data leakage between splits (of near-duplicates more than 1 %), more than 1 % of a
split's boxes or sizes wrong, boxes drawn before EXIF turned the image, a class that is tested but not
trained, or no object at all.
"""

import utils.system.quiet_imports  # noqa: F401

from dataclasses import dataclass
from pathlib import Path

from utils.data.class_names import read_classes
from utils.data.types import Size
from utils.doctor.checks import examine, is_healthy, problems_json, report
from utils.doctor.finding import Finding
from utils.doctor.page import health_page
from utils.doctor.splits import Split, examine_splits, read_splits, short_names
from utils.system.cli import run
from utils.system.device import usable_cores
from utils.system.files import NOT_UTF8, require_writable, write_text
from utils.system.settings import NonNegativeInt, PositiveInt, check_ranges

PAGE, PROBLEMS = "index.html", "problems.json"


@dataclass(frozen=True)
class Config:
    """Check a data set for errors in its images and labels."""

    data: tuple[str, ...] = ()  # one data set per split, training first: list file, VOC2007:train, ...
    train: str = ""  # training data, in the same forms; default: the first of --data
    val: str = ""  # validation data
    test: str = ""  # test data
    classes: Path | None = None  # class names, one per line; needed for list files; default: the data's
    image_size: Size = (640, 640)  # height and width at which to check box sizes
    output: Path = Path("doctor_out")  # folder for index.html and problems.json
    workers: PositiveInt | None = None  # image-reading threads; default: one per CPU core
    seed: NonNegativeInt = 0  # random seed for choosing example images


def main(config: Config) -> None:
    """Read the annotations, examine every image, print and write the findings."""
    check_ranges(config)
    if min(config.image_size) < 1:
        raise ValueError(f"--image-size is two numbers of at least 1, not {config.image_size}")
    specs = named_specs(config)
    require_own_folder(config.output)
    splits = read_splits(specs, read_classes(config.classes) if config.classes else None)
    if empty := [split.name for split in splits if not len(split.index)]:
        raise ValueError(f"{', '.join(empty)} contains no image")
    splits = examine_splits(splits, config.workers or usable_cores())
    findings = examine(splits, config.image_size)
    print(report(splits, findings))
    write_results(config, splits, findings)
    if not is_healthy(findings):
        raise SystemExit(1)


def named_specs(config: Config) -> dict[str, str]:
    """Return the data set specs by split name, training data first."""
    named = {"train": config.train, "val": config.val, "test": config.test}
    if twice := sorted({spec for spec in config.data if config.data.count(spec) > 1}):
        raise ValueError(f"--data names {', '.join(twice)} twice")
    specs = {name: spec for name, spec in named.items() if spec}
    specs |= dict(zip(short_names(config.data), config.data, strict=True))
    if not specs:
        raise ValueError("name the data: --train SPEC --val SPEC, or --data SPEC; see --help")
    return specs


def require_own_folder(folder: Path) -> None:
    """Raise ValueError if the folder contains anything, unless an earlier run wrote it."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output {folder} is a file: name a folder")
    require_writable(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PROBLEMS).is_file():
        raise ValueError(f"--output {folder} contains files of yours: name another folder")


def write_results(config: Config, splits: list[Split], findings: list[Finding]) -> None:
    """Write index.html, and problems.json with all locations."""
    write_text(config.output / PROBLEMS, problems_json(splits, findings), errors=NOT_UTF8)
    page = health_page(splits, findings, config.image_size, config.seed)
    write_text(config.output / PAGE, page, errors=NOT_UTF8)
    print(f"\nwritten: {config.output / PAGE} to look at, {config.output / PROBLEMS} with every location")


if __name__ == "__main__":
    run(main, Config)
