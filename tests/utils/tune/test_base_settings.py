"""The settings of --flags."""

import pytest

from utils.tune.base_settings import BaseSettings, parse_flags


def test_flags_change_the_defaults_of_train():
    assert parse_flags("") == BaseSettings()
    base = parse_flags("--optimizer sgd --scale 0.8 1.2 --head dfl --eval-period 3 --batch-size auto")
    assert base.optimization.peak_lr == 0.08
    assert base.augmentation.scale == (0.8, 1.2)
    assert base.phases.batch_size == "auto"


@pytest.mark.parametrize("flags", ["--epochs 3", "--image_size 64 64", "--name=x", "--lr 1 --resume last"])
def test_what_the_search_sets_itself_is_refused(flags):
    with pytest.raises(ValueError, match=r"--flags cannot hold --(epochs|image-size|name|resume):"):
        parse_flags(flags)


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="--clean-share must be from 0 to 1, not 3"):
        parse_flags("--clean-share 3")


def test_values_of_another_kind_are_refused(capsys):
    with pytest.raises(SystemExit) as end:
        parse_flags("--lr fast")
    assert end.value.code == 2 and "fast" in capsys.readouterr().err


def test_an_open_quote_is_refused():
    with pytest.raises(ValueError, match="--flags"):
        parse_flags("--head 'dfl")
