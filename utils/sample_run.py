"""What `train.py` does where there is no data at all: it draws a sample data set and trains on that."""

from pathlib import Path
from typing import Any

from utils.sample_data import write_sample_data
from utils.voc import split_names

SAMPLE_YEAR = "VOCsample"


def sample_settings(devkit: Path) -> dict[str, Any]:
    """Draw the sample data set under `devkit`, unless it is there, and give the settings that suit it.

    From scratch, in about four minutes on two CPU cores: small pictures, a step size for few steps, and
    no mosaic, which makes things smaller and slower to learn.
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
    """Whether there is a data set of the user's under `devkit`."""
    return devkit.is_dir() and any(
        split_names(year) or (year / "Annotations").is_dir()
        for year in devkit.iterdir()
        if year.is_dir() and year.name != SAMPLE_YEAR
    )
