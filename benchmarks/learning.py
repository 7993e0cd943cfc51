"""Measure how well training learns: average precision on held-out images, over several seeds.

    python benchmarks/learning.py --weights yolox_nano_coco.pth --seeds 3
    python benchmarks/learning.py --sets mine=train.txt,val.txt,test.txt,classes.txt --epochs 30
    python benchmarks/learning.py --peers 'yolox=python yolox.py --data {set} --epochs {epochs} --seed {seed}'

Trains each model on each data set with the default settings, and measures the weights that were best on the
validation split on the test split. Peers run in turn with ours: a peer is a command that prints a line of
JSON with "ap", "ap50" and "seconds". Prints a JSON line per training and a table with intervals over the
seeds, and compares with the results kept in learning.json: exit status 1 if AP was lost beyond what seeds
differ by.
"""

import json
import math
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness import Peer, parse_peers
from learning_results import OURS, Outcome, Results, keep, losses, read_kept, rounded, table

from utils.system.cli import ROOT, IncompleteError, run
from utils.system.settings import PositiveInt

KEPT = Path(__file__).with_suffix(".json")


class DataSet(NamedTuple):
    """A data set: specs as for train.py, the class file if it needs one, and the epochs to train."""

    train: str
    val: str
    test: tuple[str, ...]
    classes: str = ""
    epochs: int = 12


KNOWN = {
    "bccd": DataSet(
        "{data}/bccd/VOCdevkit/VOC2007:train",
        "{data}/bccd/VOCdevkit/VOC2007:val",
        ("{data}/bccd/VOCdevkit/VOC2007:test",),
        "{data}/bccd/classes.txt",
        epochs=15,
    ),
    "chess": DataSet(
        "{data}/chess/train/_annotations.coco.json:{data}/chess/train",
        "{data}/chess/valid/_annotations.coco.json:{data}/chess/valid",
        ("{data}/chess/test/_annotations.coco.json:{data}/chess/test",),
    ),
    "boards": DataSet(  # the test split has seven images only
        "{data}/boards/VOCdevkit/VOC2007:train",
        "{data}/boards/VOCdevkit/VOC2007:val",
        ("{data}/boards/VOCdevkit/VOC2007:val", "{data}/boards/VOCdevkit/VOC2007:test"),
        "{data}/boards/classes.txt",
    ),
    "pears": DataSet(
        "{data}/pears/data.yaml:train", "{data}/pears/data.yaml:val", ("{data}/pears/data.yaml:test",)
    ),
}


@dataclass(frozen=True)
class Config:
    """Settings of the learning benchmark."""

    sets: tuple[str, ...] = tuple(KNOWN)  # bccd, chess, boards, pears, or name=train,val,test[,classes]
    models: tuple[str, ...] = ("yolox_nano",)  # names of docs/models.md
    data: Path = ROOT.parent / "shared" / "data"  # folder of bccd, chess, boards and pears
    weights: str = "pretrained"  # weights to start from, as for train.py
    image_size: PositiveInt = 416  # side of the input
    epochs: PositiveInt | None = None  # of each training; default: 15 for bccd, 12 for others
    seeds: PositiveInt = 3  # trainings of each model on each set
    flags: str = ""  # further flags of train.py, as one text
    peers: tuple[str, ...] = ()  # name=command, with {set}, {model}, {weights}, {size}, {epochs} and {seed}
    kept: Path = KEPT  # results to compare with
    update: bool = False  # keep these results there


class Case(NamedTuple):
    """What is trained: a data set, a model, its weights, the side of its input, epochs and further flags."""

    name: str
    data: DataSet
    model: str
    weights: str
    size: int
    epochs: int
    flags: str = ""

    @property
    def title(self) -> str:
        """The name by which results are kept."""
        start = "scratch" if self.weights == "none" else "weights"
        text = f"{self.name}, {self.model} from {start}, {self.size} px, {self.epochs} epochs"
        return f"{text}, {self.flags}" if self.flags else text


def main(config: Config) -> None:
    """Train everything, print the table, and compare with the results kept."""
    peers = parse_peers(config.peers)
    results: Results = {}
    for case in cases_of(config):
        ours = results[case.title] = {OURS: [], **{peer.name: [] for peer in peers}}
        for seed in range(config.seeds):
            ours[OURS].append(train(case, seed))
            for peer in peers:
                ours[peer.name].append(train_peer(case, seed, peer))
            for name, outcomes in ours.items():
                print(
                    json.dumps({"case": case.title, "of": name, "seed": seed} | rounded(outcomes[-1])),
                    flush=True,
                )
    print(table(results))
    lost = losses(results, read_kept(config.kept))
    if config.update:
        keep(config.kept, results)
    if lost:
        raise IncompleteError("\n".join(lost))


def cases_of(config: Config) -> list[Case]:
    """Return all combinations of data sets and models; ValueError for a set that is not known."""
    cases = []
    for text in config.sets:
        name, _, specs = text.partition("=")
        if not specs and name not in KNOWN:
            raise ValueError(
                f"--sets {name}: name one of {', '.join(KNOWN)}, or name=train,val,test[,classes]"
            )
        data = parse_set(name, specs) if specs else with_folder(KNOWN[name], config.data.absolute())
        cases += [
            Case(
                name,
                data,
                model,
                config.weights,
                config.image_size,
                config.epochs or data.epochs,
                config.flags,
            )
            for model in config.models
        ]
    return cases


def parse_set(name: str, specs: str) -> DataSet:
    """Parse train,val,test[,classes]."""
    parts = specs.split(",")
    if len(parts) not in (3, 4):
        raise ValueError(f"--sets {name}={specs}: give name=train,val,test or name=train,val,test,classes")
    return DataSet(parts[0], parts[1], (parts[2],), "".join(parts[3:]))


def with_folder(data: DataSet, folder: Path) -> DataSet:
    """Fill in the folder of the data."""
    train, val, *test, classes = (
        text.format(data=folder) for text in (data.train, data.val, *data.test, data.classes)
    )
    return DataSet(train, val, tuple(test), classes, data.epochs)


def train(case: Case, seed: int) -> Outcome:
    """Train with train.py, and measure the best weights on the test split with get_map.py."""
    classes = ["--classes", case.data.classes] if case.data.classes else []
    with tempfile.TemporaryDirectory(prefix="learning_") as folder:
        begun = time.perf_counter()
        options: dict[str, object] = {
            "train": case.data.train,
            "val": case.data.val,
            "model": case.model,
            "weights": case.weights,
            "epochs": case.epochs,
            "seed": seed,
            "output": folder,
            "name": "run",
            "log": "none",
        }
        pairs = [str(item) for name, value in options.items() for item in (f"--{name}", value)]
        size = ["--image-size", str(case.size), str(case.size)]
        script("train.py", *pairs, *size, *classes, *shlex.split(case.flags))
        seconds = time.perf_counter() - begun
        best, output = f"{folder}/run/best.pt", f"{folder}/map"
        script(
            "get_map.py", "--weights", best, "--data", *case.data.test, "--output", output, "--resamples", "0"
        )
        coco = json.loads(Path(output, "metrics.json").read_text("utf-8"))["coco"]
    names = ("map", "map50", "small", "medium", "large")
    found = {name: math.nan if coco[name] is None else coco[name] for name in names}
    return Outcome._make([*found.values(), seconds])


def script(name: str, *arguments: str) -> None:
    """Run a script of the project; ValueError with the end of what it printed if it fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / name), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"{name} failed:\n{done.stdout[-500:]}{done.stderr[-500:]}")


def train_peer(case: Case, seed: int, peer: Peer) -> Outcome:
    """Run the command of a peer, and return what it measured."""
    found = peer.run(
        set=case.name, model=case.model, weights=case.weights, size=case.size, epochs=case.epochs, seed=seed
    )
    return Outcome(**{name: found.get(name, math.nan) for name in Outcome._fields})


if __name__ == "__main__":
    run(main, Config)
