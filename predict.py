"""Find objects on images: python predict.py photos/ --weights logs/RUN/best.pt

Takes files, folders (with the folders below), patterns, addresses on the web, and - for a list of them on
standard input, one a line. Without any it asks for a file name, again and again. Results keep the folders.
Small objects on large images: --tiles. How fast it is, and what takes the time: --fps 20.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from tqdm import tqdm

from utils.data.detections import Detections
from utils.draw.boxes import draw_detections
from utils.draw.text import missing_letters
from utils.draw.window import require_display, show_image
from utils.images.image_batches import image_batches
from utils.images.image_io import save_image, suffix_for
from utils.images.output_names import names_below
from utils.images.sources import ImageSource, find_image_sources, read_source
from utils.images.web_images import is_web_url
from utils.predict.benchmark import speed_table, time_stages
from utils.predict.detect_images import DetectOptions, ImageResult, detect_images
from utils.predict.heatmap import draw_heat
from utils.predict.predictor import Predictor, explain_empty
from utils.predict.save_results import (
    count_classes,
    results_json,
    save_crops,
    save_csv,
    save_json,
    save_text,
    saving,
)
from utils.system.cli import IncompleteError, ask, run
from utils.system.device import Amp
from utils.system.memory import keep_freed_memory
from utils.system.prefetch import one_behind
from utils.system.stopwatch import Stopwatch
from utils.system.validation import check_values
from utils.weights.thresholds import Confidence, check_names, describe, parse_class_confidence


@dataclass(frozen=True)
class Config:
    """Find objects on images."""

    source: Annotated[tuple[str, ...], tyro.conf.Positional]  # files, folders, patterns, addresses, or -
    weights: Path  # of train.py or export.py, other weights, or pretrained with --model
    confidence: Confidence = None  # least score of a box; best (default, else .5), best-by-class: as stored
    class_confidence: tuple[str, ...] = ()  # other least scores, as dog=0.3
    only: tuple[str, ...] = ()  # names of the classes to look for; by default all
    nms_iou: float = 0.3  # of two boxes of a class that overlap more than this, the better one stays
    agnostic_nms: bool = False  # that holds for boxes of two classes too
    output: Path = Path("predictions")  # folder for the results
    batch_size: int = 8  # images at a time
    save_txt: bool = False  # write a text file for each image: class score left top right bottom
    save_json: bool = False  # write results.json with all boxes
    save_csv: bool = False  # write results.csv with a row for each box
    draw: bool = True  # save each image with its boxes
    crop: bool = False  # save what is within each box, in a folder for each class
    count: bool = False  # print how many of each class there are on each image
    show: bool = False  # show each result in a window; needs a display
    heatmap: bool = False  # save an image of where objects are seen, and how surely, before any threshold
    heatmap_class: str | None = None  # the same for one class alone
    augment: bool = False  # look at each image flipped and in other sizes too: finds more, 4 times slower
    tiles: bool = False  # look at images larger than the input in tiles too: finds what is small
    tile_overlap: float = 0.2  # share of a tile that its neighbour repeats
    fps: int = 0  # instead of all this, time each stage so many times over the images
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    rectangular: bool = False  # cut the input to the shapes of a batch's images: faster, nearly the same
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    seed: int = 0  # for what a model may draw at random; the networks here draw nothing


def main(config: Config) -> None:
    """Detect on every image in batches, and save what was asked for."""
    keep_freed_memory()
    ranges = {"at least 1": ("batch_size",), "at least 0": ("fps",), "from 0 to 0.9": ("tile_overlap",)}
    check_values(vars(config), ranges)
    torch.manual_seed(config.seed)
    if config.show:
        require_display()
    asking = not config.source and sys.stdin.isatty() and not config.fps
    sources = [] if asking else images_to_read(config.source, config.output)
    predictor = Predictor(
        config.weights,
        model=config.model,
        classes=config.classes,
        image_size=config.image_size,
        device=config.device,
        amp=config.amp,
        confidence=config.confidence,
        class_confidence=parse_class_confidence(config.class_confidence),
        only=config.only,
        nms_iou=config.nms_iou,
        agnostic_nms=config.agnostic_nms,
        rectangular=config.rectangular,
    )
    print(describe(predictor.confidences, predictor.class_names, config.only))
    ways = ways_of(config, predictor)
    if config.fps:
        return print_speed(config, predictor, ways, sources)
    if config.draw and (unknown := "".join(sorted({*map(missing_letters, predictor.class_names)}))):
        print(f"no font here has the letters {unknown}: ? is drawn for them; install one, Noto Sans perhaps")
    done = Done()
    for answer in ask_for_images(config.output) if asking else [sources]:
        detect(config, predictor, ways, answer, done)
        if asking:
            done.problems.clear()  # they were told, and the question comes again
    finish(config, predictor.class_names, done)


def ways_of(config: Config, predictor: Predictor) -> DetectOptions:
    """How objects are looked for; ValueError for a class that is not there."""
    name = config.heatmap_class
    check_names("--heatmap-class", [] if name is None else [name], predictor.class_names)
    return DetectOptions(
        augment=config.augment,
        tiles=config.tiles,
        overlap=config.tile_overlap,
        heat=config.heatmap or name is not None,
        heat_class=None if name is None else predictor.class_names.index(name),
        batch_size=config.batch_size,
    )


@dataclass
class Done:
    """The images done: where they came from, their names, what was found; and why others failed."""

    sources: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    found: list[Detections] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def images_to_read(sources: Sequence[str], output: Path) -> list[ImageSource]:
    """The images of the sources, without earlier results; ValueError if there are only those."""
    folder = output.resolve()
    found = [
        source
        for source in find_image_sources(sources)
        if is_web_url(source.source) or folder not in Path(source.source).resolve().parents
    ]
    if not found:
        raise ValueError(f"all images lie in {output}, where the results go: choose another --output")
    return found


def ask_for_images(output: Path) -> Iterator[list[ImageSource]]:
    """Ask for a file again and again, until nothing is answered; what is wrong with an answer is told."""
    print("no image was given, so here you are asked for one; Enter alone ends")
    while answer := ask("Input image filename:"):
        try:
            yield images_to_read([answer], output)
        except ValueError as error:
            print(error)


def detect(
    config: Config, predictor: Predictor, ways: DetectOptions, sources: Sequence[ImageSource], done: Done
) -> None:
    """Detect on the images, and save what is found on each while the next batch is read and worked on."""
    names = names_below([p.source for p in sources], [p.below for p in sources], done.names)
    name_of = dict(zip(sources, names, strict=True))
    bar = tqdm(total=len(sources), desc="detecting", unit="image", leave=False, disable=None)
    with bar, one_behind() as behind:
        for batch in image_batches(sources, config.batch_size):
            for problem in batch.problems:
                tqdm.write(f"skipped: {problem}")
            done.problems += batch.problems
            results = detect_images(predictor, batch.images, ways)
            for source, image, found in zip(batch.sources, batch.images, results, strict=True):
                name = name_of[source]
                done.sources.append(source.source)
                done.names.append(name)
                done.found.append(found.detections)
                if config.count or not len(found.detections):
                    tqdm.write(f"{source.source}: {counted(predictor, found.detections)}")
                behind(partial(save_result, config, predictor.class_names, name, image, found))
                if config.show:
                    show_image(name, draw_detections(image, found.detections, predictor.class_names))
            bar.update(len(batch.images) + len(batch.problems))


def counted(predictor: Predictor, found: Detections) -> str:
    """How many of each class there are on an image, or why there is nothing."""
    counts = count_classes([found], predictor.class_names)
    text = ", ".join(f"{name} {number}" for name, number in counts.items())
    return text or explain_empty(found, predictor.confidences, predictor.class_names)


def save_result(
    config: Config, class_names: Sequence[str], name: str, image: np.ndarray, found: ImageResult
) -> None:
    """Save what was asked for of one image."""
    output, detections = config.output, found.detections
    with saving(output):
        if config.draw:
            drawn = draw_detections(image, detections, class_names)
            save_image(output / f"{name}{suffix_for(image)}", drawn)
        if found.heat is not None:
            save_image(output / "heatmaps" / f"{name}{suffix_for(image)}", draw_heat(image, found.heat))
        if config.save_txt:
            save_text(output / "labels" / f"{name}.txt", detections, class_names)
        if config.crop:
            save_crops(output / "crops", name, image, detections, class_names)


def finish(config: Config, class_names: Sequence[str], done: Done) -> None:
    """Write the files about all images, and say what was done; `IncompleteError` where some are missing."""
    if done.problems and not done.sources:
        raise ValueError("none of the images could be read")
    with saving(config.output):
        if config.save_json:
            save_json(config.output / "results.json", results_json(done.sources, done.found, class_names))
        if config.save_csv:
            save_csv(config.output / "results.csv", done.sources, done.found, class_names)
    total = count_classes(done.found, class_names)
    print(f"{len(done.sources)} images, {sum(total.values())} objects: {total}")
    print(f"saved in {config.output}")
    if done.problems:
        number = len(done.sources) + len(done.problems)
        raise IncompleteError(f"{len(done.problems)} of {number} images could not be read")


def print_speed(
    config: Config, predictor: Predictor, ways: DetectOptions, sources: Sequence[ImageSource]
) -> None:
    """Time each stage on the images, one after the other, and keep no file."""

    def work(batch: Sequence[int], watch: Stopwatch, folder: Path) -> None:
        with watch.timed("decode"):
            images = [read_source(sources[k].source) for k in batch]
        results = detect_images(predictor, images, ways, watch)
        with watch.timed("draw"):
            drawn = [
                draw_detections(image, found.detections, predictor.class_names)
                for image, found in zip(images, results, strict=True)
            ]
        with watch.timed("save"):
            for k, result in zip(batch, drawn, strict=True):
                save_image(folder / f"{k}{suffix_for(result)}", result)

    taken = time_stages(work, len(sources), config.batch_size, config.fps, predictor.device)
    print(f"{len(sources)} images, {config.fps} times, in batches of {config.batch_size}")
    print(speed_table(taken))


if __name__ == "__main__":
    run(main, Config)
