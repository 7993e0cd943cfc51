"""Folders that take no file: one sentence with the flag, before any work."""

import shutil
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.utils.formats.voc_folder import add_image, xml

DROP = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]  # root obeys no modes


@pytest.fixture
def read_only(tmp_path):
    """Two folders without write bits: a devkit and an empty one."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    add_image(tmp_path / "devkit" / "VOC2007", "a", xml([("cat", (1, 2, 30, 40))]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    folders = [tmp_path / "empty", *(path for path in (tmp_path / "devkit").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield tmp_path
    for folder in folders:
        folder.chmod(0o755)


def refused(folder, name, *flags):
    done = subprocess.run(
        [*DROP, sys.executable, ROOT / f"{name}.py", *map(str, flags)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("doctor", ["--data", "devkit/VOC2007/Annotations:devkit/VOC2007/JPEGImages", "--output", "empty/x"]),
        ("get_map", ["--weights", "no.pt", "--data", "none", "--output", "empty/x"]),
        ("predict", ["devkit", "--weights", "no.pt", "--output", "empty"]),
        ("convert", ["devkit/VOC2007:train", "--to", "coco", "--output", "empty/x"]),
        ("coco_annotation", ["--output", "empty/a.txt"]),
        ("kmeans_anchors", ["--output", "empty/a.txt"]),
        ("train", ["--train", "none", "--output", "empty/logs"]),
        ("voc_annotation", ["--devkit", "devkit", "--classes", "classes.txt", "--output", "empty"]),
    ],
)
def test_the_flag_is_named(read_only, name, flags):
    message = refused(read_only, name, *flags)
    assert f"nothing can be saved in {read_only / 'empty'} (Permission denied)" in message
    assert "--output" in message


def test_a_read_only_devkit_can_be_trained_on_without_a_split(read_only):
    message = refused(
        read_only, "voc_annotation", "--devkit", "devkit", "--classes", "classes.txt", "--output", "."
    )
    year = read_only / "devkit" / "VOC2007"
    assert f"--train {year / 'Annotations'}:{year / 'JPEGImages'}" in message
