"""What terminals get to see."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT
from utils.system.terminal import printable

PRELUDE = """
import sys
from dataclasses import dataclass
from utils.system.cli import ask, run
@dataclass(frozen=True)
class Config:
    number: int = 0  # of anything
"""


def shell(tmp_path, body, command, **more):
    """Run a script whose `main` has this body by a shell command, where $RUN starts the script."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (tmp_path / "script.py").write_text(f"{PRELUDE}def main(config):\n{lines}run(main, Config)\n")
    more = {"capture_output": True, "text": True, "timeout": 100} | more
    environment = {"RUN": f"{sys.executable} {tmp_path / 'script.py'}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-c", command], env=environment, **more)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\rb\x9b", r"a\rb\x9b"),
        ("up\u202egpj.exe", r"up\u202egpj.exe"),
        ("one\n\ttwo 猫 é", "one\n\ttwo 猫 é"),
        (ValueError("x\0"), r"x\x00"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown


def test_errors_and_warnings_are_one_plain_line(tmp_path):
    body = "import warnings\nwarnings.warn('odd \\x1b[1m')\nraise ValueError('bad \\x1b[1m')"
    done = shell(tmp_path, body, "$RUN")
    assert done.returncode == 2
    assert done.stderr == "warning: odd \\x1b[1m\nerror: bad \\x1b[1m\n"


def test_output_is_escaped_wherever_it_is_printed(tmp_path):
    done = shell(tmp_path, "print('a\\x1b[1m\\tb\\rc')", "$RUN")
    assert (done.returncode, done.stdout) == (0, "a\\x1b[1m\tb\\rc\n")


def test_a_reader_that_goes_ends_the_script_quietly(tmp_path):
    body = "for number in range(100_000):\n    print(number)"
    done = shell(tmp_path, body, "set -o pipefail; $RUN | head -1")
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n", "")
    done = shell(tmp_path, "print(1)", "set -o pipefail; { sleep 3; $RUN; } | true")
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_streams_do_not_matter(tmp_path):
    done = shell(tmp_path, "print([ask('Name:')])", "$RUN <&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Name:['']\n", "")
    assert shell(tmp_path, "print(1)", "$RUN >&-").returncode == 0
    assert shell(tmp_path, "raise ValueError(1)", "$RUN >&- 2>&-").returncode == 2
