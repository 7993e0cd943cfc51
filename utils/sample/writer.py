"""Write the sample data set as a VOC year folder."""

import os
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2

from utils.sample.dataset import SAMPLE_CLASSES, SAMPLE_SPLITS, SampleImage, sample_image


def write_sample_data(
    devkit: Path, seed: int = 0, year: str = "VOC2007", splits: dict[str, int] | None = None
) -> None:
    """Write the folder `year` of the devkit: images, annotations, a list per split, `classes.txt`.

    The same seed gives the same images; `splits` is the number of images per split. The folder is written
    atomically. Raises `ValueError` if it exists already, so that no user data is overwritten.
    """
    folder = Path(devkit) / year
    if folder.exists():
        raise ValueError(f"{folder} exists already: move it away to have the sample data written there")
    unfinished = folder.with_name(f".{year}.tmp{os.getpid()}")
    try:
        _write_year(unfinished, year, seed, SAMPLE_SPLITS if splits is None else splits)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_year(folder: Path, year: str, seed: int, splits: dict[str, int]) -> None:
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(SAMPLE_CLASSES) + "\n", encoding="utf-8")
    lists: dict[str, list[str]] = {}
    number = 0
    for split, count in splits.items():
        lists[split] = [f"{number + k:06d}" for k in range(count)]
        for stem in lists[split]:
            sample = sample_image(seed, int(stem))
            # Vary the JPEG quality, as in any collection of photographs.
            quality = 60 + 7 * (int(stem) % 6)
            bgr = cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR)
            _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
            (folder / f"JPEGImages/{stem}.jpg").write_bytes(encoded.tobytes())
            _annotation(sample, year, f"{stem}.jpg").write(folder / f"Annotations/{stem}.xml", "utf-8")
        number += count
    lists["trainval"] = lists.get("train", []) + lists.get("val", [])
    for split, stems in lists.items():
        text = "".join(f"{stem}\n" for stem in stems)
        (folder / f"ImageSets/Main/{split}.txt").write_text(text, encoding="utf-8")


def _annotation(sample: SampleImage, year: str, filename: str) -> ElementTree.ElementTree:
    root = ElementTree.Element("annotation")
    _add(root, folder=year, filename=filename)
    height, width, depth = sample.image.shape
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=depth)
    for box, label, cut in zip(sample.boxes, sample.labels, sample.truncated, strict=True):
        element = ElementTree.SubElement(root, "object")
        _add(element, name=SAMPLE_CLASSES[label], pose="Unspecified", truncated=int(cut), difficult=0)
        corners = dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        _add(ElementTree.SubElement(element, "bndbox"), **corners)
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _add(element: ElementTree.Element, **values: object) -> None:
    """Add a child element per value, in order."""
    for tag, value in values.items():
        ElementTree.SubElement(element, tag).text = str(value)
