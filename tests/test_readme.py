"""The documents are true: their commands parse, their flags exist, their links and images are there."""

import dataclasses
import importlib
import re
import shlex
import typing
from urllib.parse import unquote

import pytest
import tyro

from tests.helpers import ROOT

READMES = ("README.md", "README.zh-CN.md")
GUIDES = ("docs/guide.md", "docs/guide.zh-CN.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "VOCdevkit/README.md", "logs/README.md")
    for path in ROOT.glob(pattern)
)
TRAIN_COMMAND = "pip install -r requirements.txt && python train.py"
TEST_COMMAND = "pip install -r requirements-dev.txt && python -m pytest"
SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))
FLAGS_OF_OTHERS = {
    *("--help", "--index-url"),  # of every script, of pip
    *("--logdir", "--backend-store-uri"),  # of TensorBoard, of MLflow
    *("--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint", "--max-restarts"),  # of torchrun
    *("--nodes", "--ntasks-per-node", "--gpus-per-node"),  # of SLURM
}


def text_of(document):
    return (ROOT / document).read_text(encoding="utf-8")


def code_blocks(text):
    """The contents of fenced code blocks, stripped."""
    return [block.strip() for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def script_commands(text):
    """(script, arguments) of every `python SCRIPT.py ...` in the code blocks."""
    found = []
    for block in code_blocks(text):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            for command in line.split("&&"):
                if not command.strip().startswith("python "):
                    continue
                words = shlex.split(command, comments=True)
                if words[1].endswith(".py"):
                    found.append((words[1].removesuffix(".py"), words[2:]))
    return found


def parse(script, arguments):
    return tyro.cli(importlib.import_module(script).Config, args=arguments)


def flags_of(script):
    """Every flag of a script; those that are on or off have a form that switches them off."""
    return flags_of_settings(importlib.import_module(script).Config)


def flags_of_settings(settings):
    flags = set()
    for name, kind in typing.get_type_hints(settings).items():
        flag = name.replace("_", "-")
        if dataclasses.is_dataclass(kind):
            flags |= flags_of_settings(kind)
        else:
            flags |= {f"--{flag}", f"--no-{flag}"} if kind is bool else {f"--{flag}"}
    return flags


def links(text):
    """Targets of links and images, without those inside code."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)|<img[^>]*\bsrc=\"([^\"]+)\"", prose)


def headings(text):
    """Anchors as GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.M)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", READMES)
def test_the_two_commands_stand_alone_in_blocks_of_their_own(document):
    blocks = code_blocks(text_of(document))
    assert blocks.count(TRAIN_COMMAND) == 1
    assert blocks.count(TEST_COMMAND) == 1


def test_ci_runs_the_command_of_the_readme():
    lines = [line for line in text_of(".ci/run").splitlines() if line and not line.startswith("#")]
    assert lines[-1] == TEST_COMMAND, "its summary is the last output, its status that of the whole"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_parses(document):
    for script, arguments in script_commands(text_of(document)):
        assert script in SCRIPTS, f"there is no {script}.py"
        try:
            parse(script, arguments)
        except SystemExit:
            pytest.fail(f"{script}.py does not take: {shlex.join(arguments)}")


@pytest.mark.parametrize("document", (*READMES, *GUIDES))
def test_commands_are_found_in_what_users_read(document):
    assert {"voc_annotation", "train", "predict", "get_map"} <= {
        script for script, _ in script_commands(text_of(document))
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_flag_named_exists(document):
    known = FLAGS_OF_OTHERS.union(*map(flags_of, SCRIPTS))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text_of(document)))
    assert named <= known


def test_flags_that_do_not_exist_are_noticed(capsys):
    command = "```\npython train.py \\\n  --epochs 3 && python train.py --epoch-number 3  # a comment\n```\n"
    (good, bad) = script_commands(command)
    assert parse(*good).phases.epochs == 3
    with pytest.raises(SystemExit):
        parse(*bad)
    assert "--epoch-number" in capsys.readouterr().err
    assert not {"--epoch-number", "--no-epochs"} & flags_of("train")
    assert {"--epochs", "--ema", "--no-ema"} <= flags_of("train")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_images_are_there(document):
    targets = [a or b for a, b in links(text_of(document))]
    missing = []
    for target in targets:
        path, _, anchor = unquote(target).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists() or (anchor and anchor not in headings(file.read_text(encoding="utf-8"))):
            missing.append(target)
    assert not missing


@pytest.mark.parametrize(("one", "other"), [READMES, GUIDES])
def test_the_two_languages_have_the_same_sections_and_commands(one, other):
    first, second = text_of(one), text_of(other)
    assert len(re.findall(r"^#+ ", first, re.M)) == len(re.findall(r"^#+ ", second, re.M))
    assert script_commands(first) == script_commands(second)
