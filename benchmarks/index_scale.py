"""Measure time and memory for reading, caching and sharing the index of a data set of a million images.

    python benchmarks/index_scale.py --images 1000000 --boxes 7

Writes the list file to a temporary folder, makes each measurement in a new process, and prints a JSON line
for it. Memory is Linux's proportional set size: a page that n processes share counts as 1/n in each. With
--files, it also writes an empty file for each image, and measures the search for missing images.
"""

import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import print_result

from utils.data.index import DatasetIndex
from utils.data.index_cache import MIN_CACHED_BYTES
from utils.formats.read_data import missing_images, read_data
from utils.system.cli import run

CLASSES = tuple(f"class {number}" for number in range(80))
IMAGES_PER_FOLDER = 10_000
WORKERS = 2


@dataclass(frozen=True)
class Config:
    """Settings of the index benchmark."""

    images: int = 1_000_000  # lines of the list file
    boxes: int = 7  # boxes per image
    repeats: int = 5  # repetitions of timings, whose median is reported; memory hardly varies
    files: bool = False  # make a file for each image, and measure the search for missing ones


def main(config: Config) -> None:
    """Write the list file, measure, and print each result immediately."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["BOXWRIGHT_CACHE"] = str(folder / "cache")
        write_images_list(folder / "list.txt", config)
        if (folder / "list.txt").stat().st_size < MIN_CACHED_BYTES:
            raise ValueError(
                f"--images {config.images}: so small an index is not cached; try ten times as many"
            )
        for case, value, unit in measure(folder, config):
            case = f"{case}, {config.images} images, {config.images * config.boxes} boxes"
            print_result("index_scale", case, value, unit, versions={"numpy": np.__version__})


def measure(folder: Path, config: Config) -> Iterator[tuple[str, float, str]]:
    """Yield the name, value and unit of each measurement."""
    spec = str(folder / "list.txt")
    with without_index_cache(folder / "off"):
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
    """Return the median of one of the measured values."""
    return statistics.median(one[name] for one in measured)


def timed_reading(spec: str) -> dict[str, float]:
    """Measure the seconds and the memory (MB) for reading the data set."""
    with peak_memory() as peak:
        start = time.perf_counter()
        index = read_data(spec, CLASSES)
        seconds = time.perf_counter() - start
        assert len(index) > 0
    return {"seconds": seconds, "peak": peak[0], "after": memory("Pss")}


def epoch_memory(spec: str) -> dict[str, float]:
    """Measure the memory (MB) after an epoch over the data set."""
    index = read_data(spec, CLASSES)
    use_images(index, range(len(index)))
    return {"after": memory("Pss")}


def timed_search(spec: str) -> dict[str, float]:
    """Measure the seconds and the peak memory (MB) of the search for missing images."""
    index = read_data(spec, CLASSES)
    with peak_memory() as peak:
        start = time.perf_counter()
        assert not missing_images(index)
        return {"seconds": time.perf_counter() - start, "peak": peak[0]}


def workers_memory(spec: str, start: str) -> dict[str, float]:
    """Measure the memory (MB) that worker processes add in an epoch, with the images divided among them."""
    index = read_data(spec, CLASSES)
    context: Any = multiprocessing.get_context(start)
    done, answers = context.Barrier(WORKERS + 1), context.SimpleQueue()
    workers: list[Any] = [
        context.Process(target=work, args=(index, part, done, answers)) for part in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    grown = [answers.get() for _ in workers]
    every = memory("Pss") + sum(memory("Pss", worker.pid) for worker in workers)
    done.wait()
    for worker in workers:
        worker.join()
    return {"added": max(grown), "all": every}


def work(index: DatasetIndex, part: int, done: Any, answers: Any) -> None:
    """Run a worker for one shuffled epoch, and wait until the memory of all processes is measured."""
    use_images(index, range(part, min(part + 1000, len(index))))  # memory that Python itself needs
    before = memory("Private_Dirty")
    order = np.random.default_rng(0).permutation(len(index))[part::WORKERS]
    use_images(index, order)
    del order
    answers.put(memory("Private_Dirty") - before)
    done.wait()


def use_images(index: DatasetIndex, image_numbers: Any) -> None:
    """Read everything that a data loader reads of each image."""
    for number in image_numbers:
        span = index.span(number)
        kept = ~(index.crowd[span] | index.difficult[span])
        index.boxes[span][kept].sum()
        index.labels[span][kept].sum()
        index.path(number)


def memory(kind: str, process: int | str = "self") -> float:
    """Return the memory of a process in MB: `Pss`, or `Private_Dirty` (not shared with other processes)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Yield a list whose only item is the peak memory within the block, in MB."""
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
def without_index_cache(file: Path) -> Iterator[None]:
    """Disable the index cache by putting a file in place of the folder."""
    before = os.environ["BOXWRIGHT_CACHE"]
    file.touch()
    os.environ["BOXWRIGHT_CACHE"] = str(file)
    yield
    os.environ["BOXWRIGHT_CACHE"] = before


def in_fresh_process(function: Callable[..., dict[str, float]], *arguments: str) -> dict[str, float]:
    """Call the function in a new process, which may start further processes; return the result."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=answer, args=(answers, function, *arguments))
    process.start()
    found = answers.get()
    process.join()
    return found


def answer(answers: Any, function: Callable[..., dict[str, float]], *arguments: str) -> None:
    """Send the result of the function to the parent process."""
    answers.put(function(*arguments))


def write_images_list(path: Path, config: Config) -> None:
    """Write a list file with random boxes, with one decimal, and images in folders of 10,000."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(config.images):
            corner, size = rng.integers(0, 5000, (2, config.boxes, 2))
            boxes = np.concatenate([corner, corner + size + 10], axis=1) / 10
            labels = rng.integers(0, len(CLASSES), config.boxes)
            words = [
                ",".join(map(str, [*box, label])) for box, label in zip(boxes.tolist(), labels, strict=True)
            ]
            file.write(" ".join([image_name(number), *words]) + "\n")


def write_image_files(folder: Path, config: Config) -> None:
    """Write an empty file for each image in the list."""
    for number in range(config.images):
        if number % IMAGES_PER_FOLDER == 0:
            (folder / image_name(number)).parent.mkdir(parents=True)
        (folder / image_name(number)).touch()


def image_name(number: int) -> str:
    """Return the path of an image relative to the folder of the list file."""
    return f"images/{number // IMAGES_PER_FOLDER:04d}/{number:012d}.jpg"


if __name__ == "__main__":
    run(main, Config)
