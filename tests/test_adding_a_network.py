"""docs/adding-a-network.md, followed word for word in a copy of the project."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.helpers import ROOT

TEXT = (ROOT / "docs" / "adding-a-network.md").read_text(encoding="utf-8")
FILE = re.compile(r"^(?:Write|.*In)\s+`([\w/.]+)`(?:, after\s+the\s+line\s+`([^`]+)`)?[^`]*:$", re.DOTALL)


def steps():
    """(file, the line to add after, or None for a new file, the code) of every block that goes into one."""
    found = []
    block = r"([^\n`][^`]*(?:`[^`\n]+`[^`]*)*)\n\n```(?:python|text)\n(.*?)```"
    for before, code in re.findall(block, TEXT, re.DOTALL):
        place = FILE.search(before.strip().rpartition("\n\n")[2])
        assert place, f"this code block does not say where it goes: {before}"
        found.append((place[1], place[2], code))
    return found


def commands():
    (block,) = re.findall(r"^```\n(python -m pytest .*?)```", TEXT, re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for line in block.splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which every step was done."""
    copy = tmp_path_factory.mktemp("adding") / "project"
    unwanted = shutil.ignore_patterns(".git", "VOCdevkit", "logs", "map_out", ".*cache", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=unwanted)
    for file, line, code in steps():
        path = copy / file
        if line is None:
            assert not path.exists()
            path.write_text(code, encoding="utf-8")
            continue
        text = path.read_text(encoding="utf-8")
        assert text.count(f"\n{line}") == 1, f"{file} has no line that begins: {line}"
        end = text.index("\n", text.index(f"\n{line}") + 1)
        path.write_text(text[: end + 1] + code + text[end + 1 :], encoding="utf-8")
    return copy


def run(command, project):
    command = [sys.executable if word == "python" else word for word in command]
    done = subprocess.run(command, cwd=project, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_step_was_found():
    assert [(file, line is None) for file, line, _ in steps()] == [
        ("nets/backbones/toy.py", True),
        *[("nets/zoo/presets.py", False)] * 3,
        ("tests/nets/zoo/test_zoo.py", False),
        ("tests/nets/inspect/test_summary.py", False),
    ]


def test_the_new_network_passes_the_tests_of_all(project):
    (command,) = commands()
    done = re.search(r"(\d+) passed", run([*command, "-n", "0", "-v"], project))
    assert done and int(done[1]) >= 13  # shapes, losses, gradients, batches, files, figures


def test_the_new_network_has_a_summary(project):
    assert "toy_s" in run(["python", "train.py", "--model", "toy_s", "--summary"], project)


def test_every_model_takes_the_new_part(project):
    code = "from nets import build_detector as b; print(b('yolox_s', 2, backbone='toy').backbone.channels)"
    assert run(["python", "-c", code], project) == "(32, 64, 128)\n"


def test_the_new_files_are_as_the_house_wants_them(project):
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        run(["python", "-m", *tool, "nets/backbones/toy.py", "nets/zoo/presets.py"], project)
