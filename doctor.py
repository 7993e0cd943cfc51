"""Say what is wrong with data: python doctor.py --train 2007_train.txt --val 2007_val.txt --classes FILE

Prints what was found with the fix for each, and writes a page with images (index.html) and every place
(problems.json). Exit status 1 if training would suffer or its figures would deceive: images missing or
unreadable, images of one split in another (near-duplicates: more than 1 %), more than 1 % of a split's
boxes or sizes wrong, boxes drawn before EXIF turned the image, a class that is tested but not trained, or
no object at all.
"""

from dataclasses import dataclass
from pathlib import Path

from utils.data.class_names import read_classes
from utils.doctor.checks import examine, is_healthy, problems_json, report
from utils.doctor.finding import Finding
from utils.doctor.page import health_page
from utils.doctor.splits import Split, examine_splits, read_splits, short_names
from utils.system.cli import run
from utils.system.device import usable_cores
from utils.system.files import write_text
from utils.system.validation import check_values

PAGE, PROBLEMS = "index.html", "problems.json"


@dataclass(frozen=True)
class Config:
    """Say what is wrong with a data set."""

    data: tuple[str, ...] = ()  # data sets, each a split: list, VOCdevkit/VOC2007:train, or a.json:images/
    train: str = ""  # the training data, in the same forms; without it the first of --data
    val: str = ""  # the validation data
    test: str = ""  # the test data
    classes: Path | None = None  # class names, one a line; without, those in the data (a list has none)
    image_size: tuple[int, int] = (640, 640)  # height and width to train at: how large boxes will be
    output: Path = Path("doctor_out")  # folder for the page and problems.json
    workers: int | None = None  # threads that read images; by default one a core
    seed: int = 0  # another seed shows other images


def main(config: Config) -> None:
    """Read everything, examine every image, print and write what was found."""
    check_values(vars(config), {"at least 1": ("workers",), "at least 0": ("seed",)})
    if min(config.image_size) < 1:
        raise ValueError(f"--image-size is two numbers from 1 on, not {config.image_size}")
    specs = named_specs(config)
    require_own_folder(config.output)
    splits = read_splits(specs, read_classes(config.classes) if config.classes else None)
    if empty := [split.name for split in splits if not len(split.index)]:
        raise ValueError(f"{', '.join(empty)} holds no image")
    splits = examine_splits(splits, config.workers or usable_cores())
    findings = examine(splits, config.image_size)
    print(report(splits, findings))
    write_results(config, splits, findings)
    if not is_healthy(findings):
        raise SystemExit(1)


def named_specs(config: Config) -> dict[str, str]:
    """The data sets by the name of their split, the one that is trained on first."""
    specs = {name: spec for name in ("train", "val", "test") if (spec := getattr(config, name))}
    if twice := sorted({spec for spec in config.data if config.data.count(spec) > 1}):
        raise ValueError(f"--data names {', '.join(twice)} twice")
    specs |= dict(zip(short_names(config.data), config.data, strict=True))
    if not specs:
        raise ValueError("name the data: --train SPEC --val SPEC, or --data SPEC; see --help")
    return specs


def require_own_folder(folder: Path) -> None:
    """ValueError if the folder holds anything, unless an earlier run wrote it."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output {folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PROBLEMS).is_file():
        raise ValueError(f"--output {folder} holds files of yours: name another folder")


def write_results(config: Config, splits: list[Split], findings: list[Finding]) -> None:
    """Write the page and the list of all places."""
    write_text(config.output / PROBLEMS, problems_json(splits, findings))
    write_text(config.output / PAGE, health_page(splits, findings, config.image_size, config.seed))
    print(f"\nwritten: {config.output / PAGE} to look at, {config.output / PROBLEMS} with every place")


if __name__ == "__main__":
    run(main, Config)
