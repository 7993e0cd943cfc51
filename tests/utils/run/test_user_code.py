"""The user's own code comes from the user's command, and never from a run folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from train import Config
from utils.augment.settings import Augmentation
from utils.run.folder import FILES_OF_CODE, with_code_of
from utils.system.settings import flat_values

FOLDER = Path("/runs/first")


def config(path, epochs=3):
    base = Config()
    return replace(
        base, augmentation=Augmentation(augment_file=path), phases=replace(base.phases, epochs=epochs)
    )


def test_without_code_the_saved_settings_stay():
    assert with_code_of(config("", 7), config("", 5), FOLDER) == config("", 5)


def test_the_file_that_the_user_gives_counts_not_that_of_the_folder():
    assert with_code_of(config("mine.py", 7), config("/theirs.py", 5), FOLDER) == config("mine.py", 5)
    assert with_code_of(config("mine.py"), config("", 5), FOLDER) == config("mine.py", 5)


def test_a_file_that_only_the_folder_names_is_refused():
    message = (
        r"the run .*first was trained with --augment-file /theirs\.py\. Code that only a run folder names is "
        r"not run: .* repeat the flag; .* start a new run with --weights .*last\.pt"
    )
    with pytest.raises(ValueError, match=message):
        with_code_of(config(""), config("/theirs.py"), FOLDER)


def test_settings_that_name_code_are_settings():
    assert {*FILES_OF_CODE} <= flat_values(Config()).keys()
