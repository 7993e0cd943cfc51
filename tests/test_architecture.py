"""The house rules that a machine can check: who imports whom, how scripts look, how long files are."""

import ast
import functools
import io
import os
import re
import subprocess
import sys
import tokenize
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.helpers import ROOT

SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))
FOLDERS = ("nets", "utils", "benchmarks", "tests")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
}
MAX_LINES = 250
MAX_FILES = 20  # in a folder

# A folder imports those before it only. `nets` itself re-exports the zoo.
LAYERS = (
    "nets.common",
    "nets.layers",
    "nets.assigners",
    "nets.backbones",
    "nets.inspect",
    "nets.necks",
    "nets.heads",
    "nets.losses",
    "nets.zoo",
    "nets",
    "nets.published",
    "utils.system",
    "utils.images",
    "utils.data",
    "utils.augment",
    "utils.draw",
    "utils.formats",
    "utils.doctor",
    "utils.evaluate",
    "utils.loader",
    "utils.sample",
    "utils.analysis",
    "utils.models",
    "utils.weights",
    "utils.report",
    "utils.inference",
    "utils.export",
    "utils.predict",
    "utils.train",
    "utils.run",
    "utils.video",
    "utils.tune",
)


def imports_of(source):
    """Names of the modules that a source text imports, wherever in it; `from a import b` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def imports(module):
    return imports_of(MODULES[module].read_text(encoding="utf-8"))


def inside(folder):
    return [module for module in MODULES if module.split(".")[0] == folder]


def test_imports_are_found_wherever_they_stand():
    source = "import a.b, c\nfrom d import e as f\ndef g():\n    from h.i import j\nif True:\n    import k\n"
    assert imports_of(source) == {"a.b", "c", "d", "d.e", "h.i", "h.i.j", "k"}


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("nets", {"utils", "benchmarks", "tests", *SCRIPTS}),
        ("utils", {"benchmarks", "tests", *SCRIPTS}),
    ],
)
def test_imports_go_one_way(folder, forbidden):
    modules = inside(folder)
    assert len(modules) > 5
    wrong = {m: found for m in modules if (found := {name.split(".")[0] for name in imports(m)} & forbidden)}
    assert not wrong


def folder_of(module):
    """The folder that a module of nets or utils lies in, such as utils.data; nets for nets/__init__.py."""
    folder = ".".join(module.split(".")[:2])
    return folder if folder in LAYERS else module.split(".")[0]


def test_every_folder_has_its_layer_and_says_what_it_holds():
    packages = [path.parent for root in ("nets", "utils") for path in (ROOT / root).glob("*/__init__.py")]
    assert {f"{path.parent.name}.{path.name}" for path in packages} == {*LAYERS} - {"nets"}
    for path in packages:
        assert ast.get_docstring(ast.parse((path / "__init__.py").read_text("utf-8"))), path
    loose = [path.name for root in ("nets", "utils") for path in (ROOT / root).glob("*.py")]
    assert loose == ["__init__.py"] * 2, "a module belongs into a folder"


def test_folders_import_those_below_them_only():
    upwards = [
        f"{module} imports {name}"
        for module in [*inside("nets"), *inside("utils")]
        if module != "utils.__init__"
        for name in imports(module)
        if folder_of(name) in LAYERS and LAYERS.index(folder_of(name)) > LAYERS.index(folder_of(module))
    ]
    assert not upwards


@pytest.mark.parametrize("folder", [*LAYERS, "tests.scripts", "benchmarks"])
def test_folders_are_small(folder):
    path = ROOT / folder.replace(".", "/")
    assert len([*path.glob("*.py")]) <= MAX_FILES, f"divide {folder}: nobody finds a file among so many"


def test_tests_mirror_the_folders():
    """A test of a module lies where the module lies; what tests share, and wider tests, have other names."""
    for path in (ROOT / "tests").glob("*/*/*.py"):
        assert (ROOT / path.parent.relative_to(ROOT / "tests")).is_dir(), path


def test_nets_need_torch_alone():
    """Nothing that reads files or draws; torchvision's detectors come through one adapter."""
    allowed = {"nets", "torch", "torchvision", *sys.stdlib_module_names} - {"io", "os", "pathlib", "logging"}
    extra = {"nets.backbones.timm_backbone": {"timm"}}  # where it is installed
    wrong = {
        m: found
        for m in inside("nets")
        if (found := {n.split(".")[0] for n in imports(m)} - allowed - extra.get(m, set()))
    }
    assert not wrong


def test_nets_print_nothing_and_open_nothing():
    for module in inside("nets"):
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(name, ast.Name) and name.id in ("print", "open")), (
                f"{module}:{node.lineno}"
            )


def test_scripts_do_not_import_scripts():
    wrong = {m: found for m in SCRIPTS if (found := {name.split(".")[0] for name in imports(m)} & {*SCRIPTS})}
    assert not wrong


def test_no_module_imports_itself_round_a_corner():
    graph = {module: imports(module) & MODULES.keys() for module in MODULES}
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")
    assert (
        order.index("nets.layers.blocks")
        < order.index("nets.zoo.presets")
        < order.index("utils.weights.load_weights")
    )


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith("tests")])
def test_files_are_short_and_say_what_they_are(module):
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES, f"split {module}: nobody reads {MAX_LINES} lines at once"
    assert not text or ast.get_docstring(ast.parse(text)), "a docstring is missing"


# Scripts


@functools.cache
def config_of(script):
    """The class Config of a script, as a syntax tree, and the comment at the end of each field's line."""
    return class_of(script, "Config")


@functools.cache
def class_of(module, name):
    """A class of a module, as a syntax tree, the comment at the end of each field's line, and the others."""
    text = MODULES[module].read_text(encoding="utf-8")
    (node,) = (n for n in ast.parse(text).body if isinstance(n, ast.ClassDef) and n.name == name)
    comments = {
        token.start[0]: (token.string.lstrip("# ").strip(), token.line.strip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and node.lineno < token.start[0] <= node.end_lineno
    }
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    return node, {field.target.id: comments.pop(field.end_lineno, None) for field in fields}, comments


def settings_of(script):
    """Config and the settings classes whose flags it takes over, by the names of their fields in it."""
    classes = {None: config_of(script)}
    tree = ast.parse(MODULES[script].read_text(encoding="utf-8"))
    imported = {a.name: n.module for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    for field in (n for n in config_of(script)[0].body if isinstance(n, ast.AnnAssign)):
        if "OmitArgPrefixes" in ast.unparse(field.annotation):
            names = {n.id for n in ast.walk(field.annotation) if isinstance(n, ast.Name)}
            (name,) = (n for n in names if imported.get(n, "").startswith(("nets.", "utils.")))
            classes[field.target.id] = class_of(imported[name], name)
    return classes


@pytest.mark.parametrize("script", SCRIPTS)
def test_config_is_frozen_and_every_field_has_its_own_comment(script):
    for node, fields, others in settings_of(script).values():
        assert [ast.unparse(d) for d in node.decorator_list] == ["dataclass(frozen=True)"]
        bare = [name for name, comment in fields.items() if not comment or not comment[0] or comment[1]]
        assert fields and not bare, "these fields have no comment at the end of their line"
        assert not others, "a comment on a line of its own becomes the help of other fields"


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_docstring_config_main_and_guard(script):
    tree = ast.parse(MODULES[script].read_text(encoding="utf-8"))
    assert f"python {script}.py" in ast.get_docstring(tree), "the docstring shows one command"
    more = ", saved_config" if script in ("train", "tune") else ""  # what goes on has its settings
    assert ast.unparse(tree.body[-1]) == f"if __name__ == '__main__':\n    run(main, Config{more})"


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_lists_every_flag_with_its_help_from_any_directory(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / f"{script}.py"), "--help"],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = re.sub(r"[\W_]+", " ", done.stdout)  # neither frames nor line breaks
    settings = settings_of(script)
    for node, fields, _ in settings.values():
        annotated = {n.target.id: ast.unparse(n) for n in node.body if isinstance(n, ast.AnnAssign)}
        for name, (comment, _) in fields.items():
            if name in settings or "Suppress" in annotated[name]:
                continue
            flag = rf"--{name.replace('_', '-')}[ ,]"
            assert re.search(flag, done.stdout) or "Positional" in annotated[name], flag
            assert re.sub(r"[\W_]+", " ", comment).strip() in shown, f"--{name} without its help"
