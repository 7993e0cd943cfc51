"""Convert Pascal VOC annotations into list files for training, and check them.

    python voc_annotation.py --classes model_data/voc_classes.txt

Mode `split` splits the images of each year into train, val, trainval and test (`ImageSets/Main`); mode
`lists` writes a list such as `2007_train.txt` for each of `--sets`; mode `all` does both. A split that you
made yourself is kept.
"""

import utils.system.quiet_imports  # noqa: F401

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from utils.data.class_names import DEFAULT_CLASSES, names_to_paste, names_with_counts, read_classes
from utils.data.index import DatasetIndex, select_boxes
from utils.data.summary import Problem, count_table, problem_text, shared_images
from utils.formats.list_file import write_list
from utils.formats.voc import (
    UNKNOWN_CLASS,
    VocSplit,
    images_without_xml,
    no_match_message,
    read_voc,
)
from utils.formats.voc_folder import open_voc
from utils.formats.voc_split import Shares, make_split, users_split, write_split
from utils.system.cli import ROOT, run
from utils.system.files import require_writable


@dataclass(frozen=True)
class Config:
    """Split a VOC data set, and write list files: an image and its boxes per line."""

    devkit: Path = ROOT / "VOCdevkit"  # folder that contains VOC2007 and other years
    sets: tuple[str, ...] = ("2007:train", "2007:val")  # list files to write, as year:split
    classes: Path = DEFAULT_CLASSES  # class names, one per line
    mode: Literal["all", "split", "lists"] = "all"  # split the images, write the list files, or both (all)
    trainval_percent: float = 0.9  # fraction of the images for training and validation
    train_percent: float = 0.9  # fraction of those for training
    seed: int = 0  # random seed of the split
    output: Path = ROOT  # folder for the list files
    overwrite_splits: bool = False  # replace a split that you made yourself
    keep_difficult: bool = False  # also write difficult objects to the lists
    empty_without_xml: bool = False  # treat images without XML as images without objects
    show: int = 100  # maximum number of problems to print; 0: all


def main(config: Config) -> None:
    sets = [_parse_set(text) for text in config.sets]
    if not sets:
        raise ValueError("--sets is empty: name at least one, such as 2007:train")
    if config.mode != "split":
        require_writable(config.output)
    roots = {year: _year_folder(config.devkit, year) for year, _ in sets}
    if config.mode != "lists":
        for root in roots.values():
            print(_split(root, config))
    if config.mode == "split":
        return
    class_names = _class_names(config, [(roots[year], split) for year, split in sets])
    results = {
        f"{year}_{split}": read_voc(
            roots[year], split, class_names, empty_without_xml=config.empty_without_xml
        )
        for year, split in sets
    }
    indexes = {name: _without_difficult(result.index, config) for name, result in results.items()}
    _require_match(config, results)
    print(_report(config, results, indexes))
    print(problem_text(_problems(config, roots.values(), results), config.show) + "\n")
    _require_boxes(results, indexes)
    for name, index in indexes.items():
        path = config.output.absolute() / f"{name}.txt"
        write_list(path, index)
        print(f"wrote {path}: {len(index)} images, {len(index.boxes)} objects")


def _parse_set(text: str) -> tuple[str, str]:
    year, _, split = text.rpartition(":")
    if not year or not split:
        raise ValueError(f"--sets {text}: write year:split, such as 2007:train")
    return year, split


def _year_folder(devkit: Path, year: str) -> Path:
    root = devkit.absolute() / f"VOC{year}"
    if not root.is_dir():
        years = ", ".join(sorted(path.name for path in devkit.glob("VOC*") if path.is_dir())) or "none"
        raise ValueError(f"{root} does not exist (years in --devkit: {years}); see --devkit and --sets")
    return root


def _split(root: Path, config: Config) -> str:
    """Split the images of one year, unless the user did; return a sentence about it."""
    folder = open_voc(root)
    ids = set(folder.annotations) | (set(folder.images) if config.empty_without_xml else set())
    if not ids:
        raise ValueError(f"{root / 'Annotations'} contains no XML file")
    shares = Shares(config.trainval_percent, config.train_percent, config.seed)
    split = make_split(sorted(ids), shares)
    users = users_split(root, split)
    if users and not config.overwrite_splits:
        counts = ", ".join(f"{name} {len(users[name])}" for name in users)
        forgotten = len(ids.difference(*users.values()))
        message = f"{root.name} has a split that this program did not make ({counts})"
        if config.mode == "split":
            raise ValueError(f"{message}: --overwrite-splits replaces it")
        left = f"; {forgotten} images with XML are in none of its lists" if forgotten else ""
        return f"{message}: kept{left}. --overwrite-splits makes a new one"
    _require_writable_devkit(root)
    write_split(root, split, shares)
    return f"{root.name} split: " + ", ".join(f"{name} {len(part)}" for name, part in split.items())


def _require_writable_devkit(root: Path) -> None:
    try:
        require_writable(root / "ImageSets" / "Main", "--devkit")
    except ValueError as error:
        raise ValueError(
            f"{error}, or train on all images without a split: "
            f"python train.py --train {root / 'Annotations'}:{root / 'JPEGImages'}"
        ) from None


def _class_names(config: Config, sets: list[tuple[Path, str]]) -> tuple[str, ...]:
    if config.classes.exists():
        return read_classes(config.classes)
    found: Counter[str] = Counter()
    for root, split in sets:
        found += read_voc(root, split).found
    raise ValueError(
        f"the class list {config.classes.absolute()} does not exist; see --classes. {names_to_paste(found)}"
    )


def _without_difficult(index: DatasetIndex, config: Config) -> DatasetIndex:
    return index if config.keep_difficult else select_boxes(index, ~index.difficult)


def _report(config: Config, results: Mapping[str, VocSplit], indexes: Mapping[str, DatasetIndex]) -> str:
    unknown_names = {name: result.unknown_names for name, result in results.items()}
    difficult = [int(result.index.difficult.sum()) for result in results.values()]
    more = {
        "difficult, kept" if config.keep_difficult else "difficult, skipped": difficult,
        "of other classes, skipped": [names.total() for names in unknown_names.values()],
        "clipped at the image border": [result.clipped for result in results.values()],
    }
    unknown = sum(unknown_names.values(), Counter[str]())
    names = (
        f"\nnames in the XML that {config.classes} lacks: {names_with_counts(unknown)}\n" if unknown else ""
    )
    return f"\n{count_table(indexes, more)}\n{names}"


def _problems(config: Config, roots: Iterable[Path], results: Mapping[str, VocSplit]) -> list[Problem]:
    problems = [problem for result in results.values() for problem in result.problems]
    if not config.empty_without_xml:
        problems += [problem for root in roots for problem in images_without_xml(open_voc(root))]
    shares = {name: result.index for name, result in results.items() if not name.endswith("_trainval")}
    problems = list(dict.fromkeys(problems + shared_images(shares)))
    return sorted(problems, key=lambda problem: problem.reason.startswith(UNKNOWN_CLASS))  # last


def _require_match(config: Config, results: Mapping[str, VocSplit]) -> None:
    found = sum((result.found for result in results.values()), Counter[str]())
    unknown_names = sum((result.unknown_names for result in results.values()), Counter[str]())
    if found and found == unknown_names:
        raise ValueError(no_match_message(found, str(config.classes)))


def _require_boxes(results: Mapping[str, VocSplit], indexes: Mapping[str, DatasetIndex]) -> None:
    for name, index in indexes.items():
        if len(index.boxes) == 0:
            hidden = int(results[name].index.difficult.sum())
            why = (
                f"its {hidden} objects are difficult (--keep-difficult)" if hidden else "see the report above"
            )
            raise ValueError(f"{name}.txt would contain no box, so no list was written: {why}")


if __name__ == "__main__":
    run(main, Config)
