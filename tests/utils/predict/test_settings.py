"""The settings as flags, with the defaults of a script."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import tyro

from utils.predict.settings import PredictSettings


def config_with(settings):
    @dataclass(frozen=True)
    class Config:
        predict: tyro.conf.OmitArgPrefixes[PredictSettings] = settings

    return Config


def test_weights_are_required_until_the_script_names_them(capsys):
    with pytest.raises(SystemExit):
        tyro.cli(config_with(PredictSettings(weights=tyro.MISSING)), args=[])
    assert "--weights" in capsys.readouterr().err
    edited = PredictSettings(Path("best.pt"), confidence=0.4, class_confidence={"dog": 0.3})
    assert tyro.cli(config_with(edited), args=[]).predict == edited


def test_flags_change_the_defaults_of_the_script():
    edited = config_with(PredictSettings(Path("best.pt"), confidence=0.4, only=("dog",)))
    flags = ["--confidence", "best", "--class-confidence", "a=b=0.3", "cat=0.5", "--image-size", "64", "96"]
    expected = PredictSettings(
        Path("best.pt"),
        confidence="best",
        only=("dog",),
        class_confidence={"a=b": 0.3, "cat": 0.5},
        image_size=(64, 96),
    )
    assert tyro.cli(edited, args=flags).predict == expected


def test_the_number_of_detections_is_a_flag():
    settings = tyro.cli(PredictSettings, args=["--weights", "best.pt", "--max-detections", "5"])
    assert settings.max_detections == 5
