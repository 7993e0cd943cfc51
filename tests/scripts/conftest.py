"""One small training, done once, whose run folder the tests of all scripts look at."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nets import build_detector
from tests.scripts.running import CLASSES, SIZE, Run, script
from utils.data.index import DatasetIndex, ImageRecord, build_index, sound_boxes
from utils.formats.list_file import write_list
from utils.formats.read_data import read_data
from utils.loader.eval_dataset import EvalDataset
from utils.predict.predictor import Predictor
from utils.sample.dataset import SAMPLE_CLASSES
from utils.sample.writer import write_sample_data
from utils.weights.checkpoint import save_checkpoint

SPLITS = {"train": 8, "val": 6}


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A folder with a space and Chinese in its name, with data of Chinese classes and weights to start from.

    The validation images are said to show what these weights find on them: from other weights, all
    figures of a short training would be 0, and tests that figures are equal could not fail.
    """
    folder = tmp_path_factory.mktemp("a b") / "数据 x"
    write_sample_data(folder, splits=SPLITS)
    year = folder / "VOC2007"
    (year / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")
    for file in (year / "Annotations").glob("*.xml"):
        text = file.read_text(encoding="utf-8")
        for name, chinese in zip(SAMPLE_CLASSES, CLASSES, strict=True):
            text = text.replace(f"<name>{name}<", f"<name>{chinese}<")
        file.write_text(text, encoding="utf-8")
    train, val = (read_data(f"{year}:{split}", CLASSES) for split in SPLITS)
    save_start(folder / "start.pt", EvalDataset(train, (SIZE, SIZE)).batch(range(8)).images)
    write_found(val, folder / "start.pt", folder / "2007_val.txt")
    return folder


def save_start(path: Path, images: torch.Tensor) -> None:
    """Weights that find something everywhere: fresh, all biases of the head 0, statistics of the images."""
    torch.manual_seed(0)
    detector = build_detector("yolox_nano", len(CLASSES))
    head = detector.head
    for conv in (*head.class_preds, *head.objectness_preds, *head.box_preds):
        torch.nn.init.zeros_(conv.bias)
        conv.weight.data *= 0.05
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        detector.train()(images)
    save_checkpoint(
        path,
        model=detector.state_dict(),
        ema=None,
        epoch=0,
        step=0,
        class_names=CLASSES,
        model_name="yolox_nano",
        image_size=(SIZE, SIZE),
    )


def write_found(index: DatasetIndex, weights: Path, path: Path) -> None:
    """A list file that calls the eight best boxes of the weights on each image its objects."""
    predictor = Predictor(weights, device="cpu", amp="off", confidence=0.0)
    records = []
    for image in range(len(index)):
        found = predictor(index.path(image))
        best = np.flatnonzero(sound_boxes(found.boxes))[:8]
        records.append(ImageRecord(str(index.path(image)), found.boxes[best], found.labels[best]))
    write_list(path, build_index(records, CLASSES))


@pytest.fixture(scope="session")
def trained_run(home) -> Run:
    """Two epochs, the first with the backbone frozen, as a user starts them: from the folder of the data."""
    options = ["--image-size", SIZE, SIZE, "--epochs", 2, "--freeze-epochs", 1, "--freeze-batch-size", 4]
    options += ["--batch-size", 4, "--lr", 0.001, "--save-period", 1, "--workers", 1, "--device", "cpu"]
    options += [
        "--scale",
        1,
        1,
        "--translate",
        0,
        "--brightness",
        0,
    ]  # so that the weights still find something
    data = ["--train", "VOC2007:train", "--val", "2007_val.txt", "--classes", "VOC2007/classes.txt"]
    names = ["--weights", "start.pt", "--output", "logs", "--name", "run"]
    done = script("train.py", *data, *names, *options, cwd=home)
    return Run(home, home / "logs" / "run", done.stdout)
