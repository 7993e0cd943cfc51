"""Detect objects in images: python predict.py photos/ --weights logs/RUN/best.pt

Takes files, folders (searched recursively), patterns, URLs, and - for a list of them on standard input, one
per line. Without any it asks for a file name, again and again. Results keep the folder structure.
Small objects on large images: --tiles. Milliseconds per image, stage by stage: --benchmark 20.
Instead of flags, edit `Config`, for instance PredictSettings(weights=Path("best.pt"), confidence=0.4).
"""

import utils.system.quiet_imports  # noqa: F401

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import tyro
from tqdm import tqdm
from tyro.conf import OmitArgPrefixes, Positional

from utils.data.detections import Detections
from utils.data.types import Image
from utils.draw.boxes import draw_detections
from utils.draw.text import missing_letters
from utils.draw.window import require_display, show_image
from utils.images.image_batches import image_batches
from utils.images.image_io import save_image, suffix_for
from utils.images.output_names import names_below
from utils.images.sources import ImageSource, find_image_sources, others_text, read_source
from utils.images.web_images import is_web_url
from utils.predict.benchmark import speed_table, time_stages
from utils.predict.detect_images import DetectOptions, ImageResult, detect_images
from utils.predict.heatmap import draw_heatmap
from utils.predict.predictor import Predictor, explain_empty, limit_text
from utils.predict.save_results import (
    count_classes,
    results_json,
    save_crops,
    save_csv,
    save_json,
    save_text,
    saving,
    saving_image,
)
from utils.predict.settings import PredictSettings
from utils.system.cli import IncompleteError, ask, run
from utils.system.files import require_writable
from utils.system.memory import keep_freed_memory
from utils.system.prefetch import one_behind
from utils.system.settings import NonNegativeInt, check_ranges
from utils.system.stopwatch import Stopwatch
from utils.weights.thresholds import check_class_names, describe_confidences


@dataclass(frozen=True)
class Config:
    """Detect objects in images."""

    source: Positional[tuple[str, ...]]  # files, folders, globs, URLs; -: a list of them on stdin
    predict: OmitArgPrefixes[PredictSettings] = PredictSettings(weights=tyro.MISSING)  # model and thresholds
    detect: OmitArgPrefixes[DetectOptions] = DetectOptions()  # test-time augmentation, tiles and heat maps
    output: Path = Path("predictions")  # folder for the results
    draw: bool = True  # save each image with its boxes
    save_txt: bool = False  # write a text file per image: class score left top right bottom
    save_json: bool = False  # write results.json with all boxes
    save_csv: bool = False  # write results.csv with a row per box
    crop: bool = False  # save the contents of each box, in a folder per class
    count: bool = False  # print the number of detections per class for each image
    show: bool = False  # show each result in a window; needs a display
    benchmark: NonNegativeInt = 0  # only time each stage, in so many passes over the images; 0: off
    seed: int = 0  # random seed; no effect with the built-in models


def main(config: Config) -> None:
    """Detect on every image in batches, and save the results."""
    keep_freed_memory()
    check_ranges(config)
    require_writable(config.output)
    torch.manual_seed(config.seed)
    if config.show:
        require_display()
    asking = not config.source and sys.stdin.isatty() and not config.benchmark
    sources = [] if asking else images_to_read(config.source, config.output)
    predictor = Predictor(**vars(config.predict))
    if (name := config.detect.heatmap_class) is not None:
        check_class_names("--heatmap-class", [name], predictor.class_names)
    print(describe_confidences(predictor.confidences, predictor.class_names, config.predict.only))
    if config.benchmark:
        return print_speed(config, predictor, sources)
    if config.draw and (unknown := missing_letters(predictor.class_names)):
        print(f"no installed font has the letters {unknown}, drawn as ?: install one, such as Noto Sans")
    done = Done()
    for answer in ask_for_images(config.output) if asking else [sources]:
        detect(config, predictor, answer, done)
        if asking:
            done.problems.clear()  # already printed, and the user is asked again
    finish(config, predictor.class_names, done)


@dataclass
class Done:
    """Sources, names and detections of the processed images, and the problems with some images.

    problems  why images could not be read
    unsaved   why results could not be saved
    """

    sources: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)


def images_to_read(sources: Sequence[str], output: Path) -> list[ImageSource]:
    """Return the images of the sources, except earlier results in `output`; ValueError if none is left.

    Prints which other files were skipped.
    """
    folder = output.resolve()
    found = find_image_sources(sources)
    images = [
        image
        for image in found.images
        if is_web_url(image.name) or folder not in Path(image.name).resolve().parents
    ]
    if not images:
        raise ValueError(f"all images are in {output}, the folder for the results: choose another --output")
    if text := others_text([path for path in found.others if folder not in path.resolve().parents]):
        print(f"skipped {text}")
    return images


def ask_for_images(output: Path) -> Iterator[list[ImageSource]]:
    """Ask for a file until the answer is empty, and yield its images; print what is wrong with an answer."""
    print("no image was given: type the name of one; an empty line ends")
    while answer := ask("Input image filename:"):
        try:
            yield images_to_read([answer], output)
        except ValueError as error:
            print(error)


def detect(config: Config, predictor: Predictor, sources: Sequence[ImageSource], done: Done) -> None:
    """Detect on the images in batches; save results while the next batch is read and processed."""
    names = names_below([source.name for source in sources], [source.below for source in sources], done.names)
    name_of = dict(zip(sources, names, strict=True))
    bar = tqdm(total=len(sources), desc="detecting", unit="image", leave=False, disable=None)
    with bar, one_behind() as behind:
        for batch in image_batches(sources, config.detect.batch_size):
            for problem in batch.problems:
                tqdm.write(f"skipped: {problem}")
            done.problems += batch.problems
            results = detect_images(predictor, batch.images, config.detect)
            for source, image, result in zip(batch.sources, batch.images, results, strict=True):
                name = name_of[source]
                done.sources.append(source.name)
                done.names.append(name)
                done.detections.append(result.detections)
                if config.count or not len(result.detections):
                    tqdm.write(f"{source.name}: {counted(predictor, result.detections)}")
                behind(partial(save_result, config, predictor.class_names, name, image, result, done))
                if config.show:
                    show_image(name, draw_detections(image, result.detections, predictor.class_names))
            bar.update(len(batch.images) + len(batch.problems))


def counted(predictor: Predictor, detections: Detections) -> str:
    """Return the number of detections by class, or why there are none."""
    counts = count_classes([detections], predictor.class_names)
    text = ", ".join(f"{name} {number}" for name, number in counts.items())
    return text or explain_empty(detections, predictor.confidences, predictor.class_names)


def save_result(
    config: Config, class_names: Sequence[str], name: str, image: Image, result: ImageResult, done: Done
) -> None:
    """Save the results of one image; a problem with it is printed, and recorded in `done`."""
    output, detections = config.output, result.detections
    with saving_image(output, done.unsaved):
        if config.draw:
            drawn = draw_detections(image, detections, class_names)
            save_image(output / f"{name}{suffix_for(image)}", drawn)
        if result.heatmap is not None:
            drawn = draw_heatmap(image, result.heatmap)
            save_image(output / "heatmaps" / f"{name}{suffix_for(image)}", drawn)
        if config.save_txt:
            save_text(output / "labels" / f"{name}.txt", detections, class_names)
        if config.crop:
            save_crops(output / "crops", name, image, detections, class_names)


def finish(config: Config, class_names: Sequence[str], done: Done) -> None:
    """Write results.json and results.csv, print a summary; `IncompleteError` if some images failed."""
    if done.problems and not done.sources:
        raise ValueError("none of the images could be read")
    with saving(config.output):
        if config.save_json:
            save_json(
                config.output / "results.json", results_json(done.sources, done.detections, class_names)
            )
        if config.save_csv:
            save_csv(config.output / "results.csv", done.sources, done.detections, class_names)
    total = count_classes(done.detections, class_names)
    print(f"{len(done.sources)} images, {sum(total.values())} objects: {total}")
    limited = sum(detections.limited for detections in done.detections)
    if text := limit_text(limited, "image", config.predict.max_detections):
        print(text)
    print(f"saved in {config.output}")
    number = len(done.sources) + len(done.problems)
    failed = {"could not be read": done.problems, "could not be saved": done.unsaved}
    if any(failed.values()):
        texts = [
            f"{len(problems)} of {number} images {what}" for what, problems in failed.items() if problems
        ]
        raise IncompleteError(", ".join(texts))


def print_speed(config: Config, predictor: Predictor, sources: Sequence[ImageSource]) -> None:
    """Time each stage on the images, one stage after the other; no file is kept."""

    def work(batch: Sequence[int], watch: Stopwatch, folder: Path) -> None:
        with watch.timed("decode"):
            images = [read_source(sources[k].name) for k in batch]
        results = detect_images(predictor, images, config.detect, watch)
        with watch.timed("draw"):
            drawn = [
                draw_detections(image, result.detections, predictor.class_names)
                for image, result in zip(images, results, strict=True)
            ]
        with watch.timed("save"):
            for k, image in zip(batch, drawn, strict=True):
                save_image(folder / f"{k}{suffix_for(image)}", image)

    batch_size, repeats = config.detect.batch_size, config.benchmark
    taken = time_stages(work, len(sources), batch_size, repeats, predictor.device)
    print(f"{len(sources)} images, {repeats} times, in batches of {batch_size}")
    print(speed_table(taken))


if __name__ == "__main__":
    run(main, Config)
