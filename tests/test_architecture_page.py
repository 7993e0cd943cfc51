"""The names in docs/architecture.md and the other pages for programmers: they exist where the pages say.

All of it is found in syntax trees, so nothing is imported.
"""

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from tests.helpers import ROOT
from tests.test_architecture import LAYERS, MODULES, SCRIPTS, folder_of, imports

PAGE = "docs/architecture.md"
DOCUMENTS = (PAGE, "docs/adding-a-network.md", "docs/python.md", "CONTRIBUTING.md")
FOLDERS = [layer for layer in LAYERS if layer != "nets"]
NAMES = r"`[A-Za-z_][\w.]*`(?!/)(?:(?:, | and )`[A-Za-z_][\w.]*`)*"


def text_of(document):
    return (ROOT / document).read_text(encoding="utf-8")


def prose_of(text):
    """The text without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def written_by(text):
    """The files that a page tells the reader to write."""
    return {*re.findall(r"^Write `([\w/]+\.py)`:$", text, re.MULTILINE)}


def paths_in(text):
    """The files and folders of the project that stand in backticks, but for those that the reader writes."""
    prose = prose_of(text)
    files = re.findall(r"`([\w./-]+\.py)`", prose)
    folders = re.findall(r"`((?:nets|utils|tests|benchmarks|docs)/[\w/]*)`", prose)
    return {*files, *folders} - written_by(text)


def places_in(text):
    """(file, name) of each "`path/file.py` `name`, `name`" and "`name` in `path/file.py`"."""
    prose = " ".join(re.sub(r"^\|", " ", prose_of(text), flags=re.MULTILINE).split())
    found = re.findall(rf"`([\w/]+\.py)` ({NAMES})", prose)
    found += [(file, names) for names, file in re.findall(rf"({NAMES}) in `([\w/]+\.py)`", prose)]
    return {(file, name) for file, names in found for name in re.findall(r"`([\w.]+)`", names)}


def dotted_in(text):
    """The dotted names of nets and utils anywhere in a page, with what its code imports from them."""
    found = {*re.findall(r"(?<![\w./-])(?:nets|utils)(?:\.\w+)+", text)}
    for module, names in re.findall(r"^from ((?:nets|utils)[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
        found |= {f"{module}.{name.split(' as ')[0].strip()}" for name in names.split(",")}
    own = {path.removesuffix(".py").replace("/", ".") for path in written_by(text)}
    return {name for name in found if not name.startswith(tuple(own))}


@functools.cache
def definitions(path):
    """The definitions of a file by name, those of its classes as "Class.name"; imported names too."""
    return dict(definitions_of(ast.parse((ROOT / path).read_text(encoding="utf-8")).body, ""))


def definitions_of(body, prefix) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from definitions_of(node.body, f"{prefix}{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in ast.walk(target) if target else ():
                if isinstance(name, ast.Name):
                    yield prefix + name.id, node
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)


def is_defined(path, name):
    """Whether the file itself defines the name; importing it does not count."""
    exists = (ROOT / path).is_file()
    return exists and not isinstance(definitions(path).get(name), ast.ImportFrom | None)


def is_importable(dotted):
    """Whether a dotted name is a folder or module of the project, or a name in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        base, name = "/".join(parts[:length]), ".".join(parts[length:])
        for path in (f"{base}.py", f"{base}/__init__.py"):
            if (ROOT / path).is_file():
                return not name or name in definitions(path)
    return False


def signatures_in(text):
    """(file, name, signature as written) of each call below a line "# path/file.py" in the code blocks."""
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        file = None
        for line in re.sub(r"(\s+# .*)?\n +", " ", block).splitlines():
            if header := re.fullmatch(r"# ([\w/]+\.py)", line):
                file = header[1]
            elif file and (call := re.match(r"([\w.]+)(\(.*)", line)):
                yield file, call[1], call[2].split("  # ")[0]


def parameters(node, skip):
    """Name, default and annotation (None if there is none) of each parameter, and of the result."""
    listed = node.args
    positional = [*listed.posonlyargs, *listed.args]
    defaults = [None] * (len(positional) - len(listed.defaults)) + listed.defaults
    found = [*zip(positional, defaults, strict=True)][skip:]
    found += [*zip(listed.kwonlyargs, listed.kw_defaults, strict=True)]
    found += [(extra, None) for extra in (listed.vararg, listed.kwarg) if extra]
    rows = [(a.arg, d and ast.unparse(d), a.annotation and ast.unparse(a.annotation)) for a, d in found]
    return [*rows, ("return", None, node.returns and ast.unparse(node.returns))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_folders_exist(document):
    paths = paths_in(text_of(document))
    assert paths and not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_names_are_defined_in_the_files_that_the_pages_say(document):
    places = places_in(text_of(document))
    assert not [place for place in places if not is_defined(*place)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_dotted_names_can_be_imported(document):
    assert not [name for name in dotted_in(text_of(document)) if not is_importable(name)]


def test_signatures_are_those_of_the_code():
    """Annotations may be left out, and self; everything else is word for word."""
    listed = [*signatures_in(text_of(PAGE))]
    assert len(listed) > 10
    for file, name, written in listed:
        node = definitions(file)[name]
        if isinstance(node, ast.ClassDef):
            node = definitions(file)[f"{name}.__init__"]
        (page,) = ast.parse(f"def name{written}: ...").body
        for ours, theirs in zip(
            parameters(page, 0), parameters(node, "." in name or name[0].isupper()), strict=True
        ):
            assert ours[:2] == theirs[:2] and ours[2] in (None, theirs[2]), f"{file}: {name}{written}"


def test_walks_name_a_file_and_a_definition_at_each_stop():
    text = text_of(PAGE)
    for heading in ("One image in training", "One image in prediction"):
        section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        stops = re.findall(r"^(\d+)\. (.*)$", section, re.MULTILINE)
        assert [int(number) for number, _ in stops] == [*range(1, len(stops) + 1)] and len(stops) > 10
        assert all(re.match(rf"`[\w/]+\.py` {NAMES}", stop) for _, stop in stops)


def test_the_picture_shows_every_script_and_the_folders_in_their_order():
    picture = text_of(PAGE).partition("```\n")[2].partition("```")[0]
    assert sorted(re.findall(r"(\w+)\.py", picture)) == SCRIPTS
    sections = dict(re.findall(r"^(nets|utils)/ (.*?)^---", picture, re.DOTALL | re.MULTILINE))
    rows = [
        [f"{root}.{name}" for name in re.findall(r"(\w+)/", line)]
        for root in ("nets", "utils")
        for line in reversed(sections[root].splitlines())
    ]
    assert [folder for row in rows for folder in row] == FOLDERS
    for row in rows:
        for module in (module for module in MODULES if folder_of(module) in row):
            used = {folder_of(name) for name in imports(module)} & {*row}
            assert used <= {folder_of(module)}, f"{module} imports from its own row"


def test_the_table_of_folders_has_their_docstrings():
    rows = re.findall(r"^\| `((?:nets|utils)/\w+)/` \| (.*) \|$", text_of(PAGE), re.MULTILINE)
    packages = [layer.replace(".", "/") for layer in FOLDERS]
    sources = [(ROOT / package / "__init__.py").read_text(encoding="utf-8") for package in packages]
    docstrings = [" ".join(ast.get_docstring(ast.parse(source)).split()) for source in sources]
    assert rows == [*zip(packages, docstrings, strict=True)]


def test_wrong_names_are_noticed():
    text = (
        "`nets/zoo/nothing.py` and `utils/nothing/`, `nets/zoo/build.py` `build`,\n`buildd`; `Detector.lose` "
        "in `nets/common/detector.py`, `Detector` in `nets/zoo/build.py`; `utils.predict.Predictor`, "
        "`utils.predict.Predicter`\n```python\nfrom nets import build_detectors, preset\n```\n"
    )
    assert {path for path in paths_in(text) if not (ROOT / path).exists()} == {
        "nets/zoo/nothing.py",
        "utils/nothing/",
    }
    assert {place for place in places_in(text) if not is_defined(*place)} == {
        ("nets/zoo/build.py", "buildd"),
        ("nets/common/detector.py", "Detector.lose"),
        ("nets/zoo/build.py", "Detector"),  # imported there
    }
    wrong = {name for name in dotted_in(text) if not is_importable(name)}
    assert wrong == {"utils.predict.Predicter", "nets.build_detectors"}
