"""The page and the notebook on using Boxwright from Python: their code runs as it stands."""

import json
import re

import matplotlib.pyplot as plt
import pytest
import torch

from nets import build_detector
from tests.helpers import ROOT
from tests.utils.train.tiny_training import drawn_index
from utils.weights.checkpoint import save_checkpoint

NAMES = ("key", "house", "fish")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Weights, images and a list where the page has them; the current folder."""
    torch.manual_seed(0)
    save_checkpoint(
        tmp_path / "logs" / "first" / "best.pt",
        model=build_detector("yolox_nano", len(NAMES)).state_dict(),
        ema=None,
        epoch=1,
        step=1,
        class_names=NAMES,
        model_name="yolox_nano",
        image_size=(64, 64),
        thresholds={"overall": 1e-5, "by_class": [1e-5] * 3},  # that a fresh network reaches
    )
    (tmp_path / "photos").mkdir()
    (tmp_path / "docs").mkdir()
    drawn_index(tmp_path / "photos", 3)
    (tmp_path / "photos" / "0.png").rename(tmp_path / "photos" / "street.jpg")
    (tmp_path / "photos" / "1.png").rename(tmp_path / "photos" / "market.png")
    lines = "photos/street.jpg 6,20,30,44,0\nphotos/market.png 33,20,57,44,1\n"
    (tmp_path / "2007_test.txt").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page(home, capsys):
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if "supervision" in text:
        pytest.importorskip("supervision")
    names = {}
    exec("\n".join(blocks), names)
    assert len(names["found"]) > 0 and len(names["coco_results"]) == len(names["found"])
    assert names["metrics"].num_images == 2 and names["metrics"].objects.tolist() == [1, 1, 0]
    assert (home / "found.jpg").is_file() and (home / "heat.jpg").is_file()
    assert names["again"].boxes.tolist() == names["found"].boxes.tolist()
    assert tuple(names["boxes"].shape) == (2, 3549, 4) and tuple(names["scores"].shape) == (2, 3549, 3)
    assert " pixels\n" in capsys.readouterr().out


def test_the_notebook(home, capsys, monkeypatch):
    notebook = json.loads((ROOT / "docs" / "predict.ipynb").read_text(encoding="utf-8"))
    monkeypatch.chdir(home / "docs")
    plt.switch_backend("agg")
    names = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "outputs would go out of date"
            exec("".join(cell["source"]), names)
    assert len(names["results"]) == 3 and names["sheet"].ndim == 3
    assert "'image_id': 1" in capsys.readouterr().out
    plt.close("all")
