"""What scripts have in common: the question to the user, and how they end where a part of the work failed."""

import errno
import sys
from dataclasses import dataclass

import pytest

from utils.system.cli import IncompleteError, ask, run


@dataclass(frozen=True)
class Config:
    """Nothing to set."""

    number: int = 0  # of anything


def test_work_that_is_done_in_part_ends_with_status_1_and_a_sentence(monkeypatch, capsys):
    def main(config):
        print("done")
        raise IncompleteError("3 of 120 images could not be read")

    monkeypatch.setattr(sys, "argv", ["script"])
    with pytest.raises(SystemExit) as end:
        run(main, Config)
    assert end.value.code == 1
    assert capsys.readouterr() == ("done\n", "incomplete: 3 of 120 images could not be read\n")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [(" a b.jpg ", "a b.jpg"), ('"C:\\a b.jpg"', "C:\\a b.jpg"), ("'x.jpg'", "x.jpg"), ("", ""), (None, "")],
)
def test_answers(monkeypatch, typed, answer):
    """Files that are dropped on a terminal come in quotation marks; Ctrl+D is no answer."""

    def answered(question):
        assert question == "Name:"
        if typed is None:
            raise EOFError
        return typed

    monkeypatch.setattr("builtins.input", answered)
    assert ask("Name:") == answer


def test_a_full_disk_is_named_with_the_flag(monkeypatch, capsys):
    def main(_):
        raise OSError(errno.ENOSPC, "No space left on device", "in.jpg", None, "out.jpg")

    monkeypatch.setattr("sys.argv", ["script.py"])
    with pytest.raises(SystemExit) as ended:
        run(main, Config)
    assert ended.value.code == 2
    text = "error: out.jpg: No space left on device: make room, or choose another place with --output\n"
    assert capsys.readouterr().err == text
