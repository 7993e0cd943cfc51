"""Running a script as a user does."""

import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tests.helpers import ROOT

CLASSES = ("杯子", "鱼", "house 房子", "key", "树")  # names in place of those of the sample data set
SIZE = 64  # pixels of the network input's sides


@dataclass(frozen=True)
class Run:
    """A training that is done: where it was started, its folder, and what it printed."""

    home: Path
    folder: Path
    output: str


def script(name, *arguments, cwd, status=0):
    """Run a script in a process of its own from the folder `cwd`; returns the process that has ended."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def refused(capsys, name, *arguments):
    """Run a script that refuses its input, in this process to save starting torch; returns the message."""
    with mock.patch.object(sys, "argv", [name, *map(str, arguments)]), pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / name), run_name="__main__")
    output = capsys.readouterr()
    assert end.value.code == 2, output
    assert output.err.startswith("error: "), output
    return output.err


def accepted(capsys, name, *arguments):
    """Run a script in this process that does its work; returns what it printed."""
    with mock.patch.object(sys, "argv", [name, *map(str, arguments)]):
        runpy.run_path(str(ROOT / name), run_name="__main__")
    return capsys.readouterr().out
