"""Measure how a data set of a million images is read, kept, opened again and shared between processes.

    python benchmarks/index_scale.py --images 1000000 --boxes 7

Makes the list file in a temporary folder and prints a JSON line for each figure. Every figure is taken in a
fresh process. Memory is the proportional set size of Linux: a page that n processes share counts as a part of
1/n in each. With --files it makes an empty file for each image too, and looks for missing ones.
"""

import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.data.index import DatasetIndex
from utils.data.index_cache import MIN_CACHED_BYTES
from utils.formats.read_data import missing_images, read_data
from utils.system.cli import run

CLASSES = tuple(f"class {number}" for number in range(80))
IMAGES_A_FOLDER = 10_000
WORKERS = 2


@dataclass(frozen=True)
class Config:
    """What is measured."""

    images: int = 1_000_000  # lines of the list
    boxes: int = 7  # boxes a line
    repeats: int = 5  # repeats of what is timed, of which the median counts; memory hardly varies
    files: bool = False  # make an empty file for each image and measure how missing ones are found


def main(config: Config) -> None:
    """Make the list, measure, and print each figure as soon as there is one."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["BOXWRIGHT_CACHE"] = str(folder / "cache")
        write_images_list(folder / "list.txt", config)
        if (folder / "list.txt").stat().st_size < MIN_CACHED_BYTES:
            raise ValueError(f"--images {config.images}: so small a list is not kept, try ten times as many")
        for case, value, unit in measure(folder, config):
            print(json.dumps(result(config, case, value, unit)), flush=True)


def measure(folder: Path, config: Config) -> Iterator[tuple[str, float, str]]:
    """Names of the figures, the figures and their units."""
    spec = str(folder / "list.txt")
    with nothing_kept(folder / "off"):
        read = [in_fresh_process(timed_reading, spec) for _ in range(config.repeats)]
    yield "read the list, nothing kept", median(read, "seconds"), "s"
    yield "read the list, nothing kept, peak memory", median(read, "peak"), "MB"
    first = in_fresh_process(timed_reading, spec)
    yield "read the list and keep its index", first["seconds"], "s"
    yield "read the list and keep its index, peak memory", first["peak"], "MB"
    opened = [in_fresh_process(timed_reading, spec) for _ in range(config.repeats)]
    yield "open the kept index", median(opened, "seconds"), "s"
    yield "open the kept index, memory then", median(opened, "after"), "MB"
    yield "open the kept index, memory after an epoch", in_fresh_process(epoch_memory, spec)["after"], "MB"
    for start in ("fork", "spawn", "forkserver"):
        grown = in_fresh_process(workers_memory, spec, start)
        yield f"{start}: memory of its own that a worker adds in an epoch", grown["added"], "MB"
        yield f"{start}: memory of main and {WORKERS} workers after an epoch", grown["all"], "MB"
    if config.files:
        write_image_files(folder, config)
        found = [in_fresh_process(timed_search, spec) for _ in range(config.repeats)]
        yield "look for missing images", median(found, "seconds"), "s"
        yield "look for missing images, peak memory", median(found, "peak"), "MB"


def median(measured: list[dict[str, float]], name: str) -> float:
    """The median of one figure."""
    return statistics.median(one[name] for one in measured)


def timed_reading(spec: str) -> dict[str, float]:
    """Seconds and memory of reading the data set."""
    with peak_memory() as peak:
        start = time.perf_counter()
        index = read_data(spec, CLASSES)
        seconds = time.perf_counter() - start
        assert len(index) > 0
    return {"seconds": seconds, "peak": peak[0], "after": memory("Pss")}


def epoch_memory(spec: str) -> dict[str, float]:
    """Memory once all of the data set was looked at."""
    index = read_data(spec, CLASSES)
    look_at_all(index, range(len(index)))
    return {"after": memory("Pss")}


def timed_search(spec: str) -> dict[str, float]:
    """Seconds and memory of looking for missing images."""
    index = read_data(spec, CLASSES)
    with peak_memory() as peak:
        start = time.perf_counter()
        assert not missing_images(index)
        return {"seconds": time.perf_counter() - start, "peak": peak[0]}


def workers_memory(spec: str, start: str) -> dict[str, float]:
    """What worker processes that look at each its share of the images add to the memory, in MB."""
    index = read_data(spec, CLASSES)
    context: Any = multiprocessing.get_context(start)
    done, answers = context.Barrier(WORKERS + 1), context.SimpleQueue()
    workers: list[Any] = [
        context.Process(target=work, args=(index, share, done, answers)) for share in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    grown = [answers.get() for _ in workers]
    every = memory("Pss") + sum(memory("Pss", worker.pid) for worker in workers)
    done.wait()
    for worker in workers:
        worker.join()
    return {"added": max(grown), "all": every}


def work(index: DatasetIndex, share: int, done: Any, answers: Any) -> None:
    """A worker: one epoch, shuffled. It ends when the memory of all has been looked at."""
    look_at_all(index, range(share, min(share + 1000, len(index))))  # what Python itself needs comes first
    before = memory("Private_Dirty")
    order = np.random.default_rng(0).permutation(len(index))[share::WORKERS]
    look_at_all(index, order)
    del order
    answers.put(memory("Private_Dirty") - before)
    done.wait()


def look_at_all(index: DatasetIndex, images: Any) -> None:
    """Use all that a loader uses of each image."""
    for image in images:
        span = index.span(image)
        kept = ~(index.crowd[span] | index.difficult[span])
        index.boxes[span][kept].sum()
        index.labels[span][kept].sum()
        index.path(image)


def memory(kind: str, process: int | str = "self") -> float:
    """Memory of a process in MB: `Pss`, or `Private_Dirty`, which it shares with no other."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """The largest memory seen meanwhile, as the only item of a list."""
    peak, ended = [memory("Pss")], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], memory("Pss"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


@contextmanager
def nothing_kept(file: Path) -> Iterator[None]:
    """Meanwhile, a file stands where indexes should be kept."""
    before = os.environ["BOXWRIGHT_CACHE"]
    file.touch()
    os.environ["BOXWRIGHT_CACHE"] = str(file)
    yield
    os.environ["BOXWRIGHT_CACHE"] = before


def in_fresh_process(function: Callable[..., dict[str, float]], *arguments: str) -> dict[str, float]:
    """What the function returns, called in a process of its own, which may have children."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=answer, args=(answers, function, *arguments))
    process.start()
    found = answers.get()
    process.join()
    return found


def answer(answers: Any, function: Callable[..., dict[str, float]], *arguments: str) -> None:
    """Send back what the function returns."""
    answers.put(function(*arguments))


def write_images_list(path: Path, config: Config) -> None:
    """A list of random boxes with one decimal, of images in folders of 10,000."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        for image in range(config.images):
            corner, size = rng.integers(0, 5000, (2, config.boxes, 2))
            boxes = np.concatenate([corner, corner + size + 10], axis=1) / 10
            labels = rng.integers(0, len(CLASSES), config.boxes)
            words = [
                ",".join(map(str, [*box, label])) for box, label in zip(boxes.tolist(), labels, strict=True)
            ]
            file.write(" ".join([image_name(image), *words]) + "\n")


def write_image_files(folder: Path, config: Config) -> None:
    """An empty file for each image of the list."""
    for image in range(config.images):
        if image % IMAGES_A_FOLDER == 0:
            (folder / image_name(image)).parent.mkdir(parents=True)
        (folder / image_name(image)).touch()


def image_name(image: int) -> str:
    """The path of an image within the folder of the list."""
    return f"images/{image // IMAGES_A_FOLDER:04d}/{image:012d}.jpg"


def result(config: Config, case: str, value: float, unit: str) -> dict[str, object]:
    """The JSON line that every benchmark prints."""
    return {
        "bench": "index_scale",
        "case": f"{case}, {config.images} images, {config.images * config.boxes} boxes",
        "ours": round(value, 2),
        "peer": None,
        "peer_name": None,
        "unit": unit,
        "ratio": None,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


if __name__ == "__main__":
    run(main, Config)
