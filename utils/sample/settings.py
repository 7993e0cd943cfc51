"""Settings for a training run without data: generate the sample data set and train on it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.formats.voc_folder import split_names
from utils.sample.writer import write_sample_data

SAMPLE_YEAR = "VOCsample"


def sample_changes(settings: Mapping[str, Any], defaults: Mapping[str, Any], devkit: Path) -> dict[str, Any]:
    """Return the settings to change for training on the sample data set; {} if the user has data.

    Settings that the user changed from the `defaults` are kept. ValueError if `devkit` contains data, but no
    list file.
    """
    train = settings["train"]
    if train != defaults["train"] or Path(train[0]).exists():
        return {}
    if has_own_data(devkit):
        raise ValueError(f"{train[0]} does not exist, but {devkit} holds data: run voc_annotation.py first")
    chosen = sample_settings(devkit)
    return {name: value for name, value in chosen.items() if settings[name] == defaults[name]}


def sample_settings(devkit: Path) -> dict[str, Any]:
    """Generate the sample data set in `devkit` unless it exists, and return settings that suit it.

    Training from scratch takes about four minutes on two CPU cores: small images, a learning rate for few
    steps, and no mosaic, which makes objects smaller and slower to learn.
    """
    year = devkit / SAMPLE_YEAR
    if not year.exists():
        print(f"no data given: drawing a sample data set in {year} ...")
        write_sample_data(devkit, year=SAMPLE_YEAR)
    print(f"training on the sample data set in {year}")
    return {
        "train": (f"{year}:train",),
        "val": (f"{year}:val",),
        "test": (f"{year}:test",),
        "classes": year / "classes.txt",
        "image_size": (192, 192),
        "epochs": 34,
        "eval_period": 4,
        "lr": 0.014,
        "mosaic": 0.0,
        "scale": (0.7, 1.3),
    }


def has_own_data(devkit: Path) -> bool:
    """Return whether `devkit` contains a data set other than the sample."""
    return devkit.is_dir() and any(
        split_names(year) or (year / "Annotations").is_dir()
        for year in devkit.iterdir()
        if year.is_dir() and year.name != SAMPLE_YEAR
    )
