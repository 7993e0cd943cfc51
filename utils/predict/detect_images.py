"""The ways of finding objects on images: as they are, in several views, in tiles; and heat maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from utils.data.detections import Detections
from utils.predict.heatmap import heat_of
from utils.predict.predictor import Predictor
from utils.predict.tiling import merge_tiles, plan_tiles
from utils.predict.tta import augmented_candidates
from utils.system.stopwatch import Stopwatch


@dataclass(frozen=True)
class DetectOptions:
    """How objects are looked for.

    augment  whether several views of each image are looked at
    tiles    whether images larger than the network's input are looked at in tiles too
    overlap  of neighbouring tiles, as share of their side
    heat     whether there is a heat map for each image
    heat_class  of which class; of all that are looked for, if None
    batch_size  tiles at a time
    """

    augment: bool = False
    tiles: bool = False
    overlap: float = 0.2
    heat: bool = False
    heat_class: int | None = None
    batch_size: int = 8


class ImageResult(NamedTuple):
    """What there is on an image; heat is uint8 [H, W], or None if it was not asked for."""

    detections: Detections
    heat: np.ndarray | None


def detect_images(
    predictor: Predictor, images: Sequence[np.ndarray], ways: DetectOptions, watch: Stopwatch | None = None
) -> list[ImageResult]:
    """What there is on uint8 RGB images [H, W, 3], a batch of them.

    `watch` gets the time of "preprocess", "network" and "NMS", and of "heat map" and "merge" where they are.
    """
    if ways.tiles:
        return [_find_in_tiles(predictor, image, ways, watch or Stopwatch()) for image in images]
    return _find(predictor, images, ways, watch or Stopwatch()) if images else []


def _find(
    predictor: Predictor, images: Sequence[np.ndarray], ways: DetectOptions, watch: Stopwatch
) -> list[ImageResult]:
    if ways.augment:
        decoded, letterboxes = augmented_candidates(predictor, images, watch)
    else:
        decoded, letterboxes = predictor.candidates(images, watch)
    detections = predictor.select(decoded, letterboxes, watch)
    if not ways.heat:
        return [ImageResult(found, None) for found in detections]
    classes = predictor.wanted if ways.heat_class is None else [ways.heat_class]
    with watch.timed("heat map"):
        scores = decoded.scores[..., classes].amax(dim=-1)
        heats = map(heat_of, decoded.boxes, scores, letterboxes)
        return [ImageResult(*pair) for pair in zip(detections, heats, strict=True)]


def _find_in_tiles(
    predictor: Predictor, image: np.ndarray, ways: DetectOptions, watch: Stopwatch
) -> ImageResult:
    """On one image: on the whole of it, and on tiles as large as the network's input."""
    size = (image.shape[0], image.shape[1])
    (whole,) = _find(predictor, [image], ways, watch)
    tiles = plan_tiles(size, predictor.model.image_size, ways.overlap)
    if len(tiles) == 1:
        return whole
    found: list[ImageResult] = []
    for start in range(0, len(tiles), ways.batch_size):
        batch = tiles[start : start + ways.batch_size]
        parts = [image[tile.top : tile.bottom, tile.left : tile.right] for tile in batch]
        found += _find(predictor, parts, ways, watch)
    settings = predictor.settings
    with watch.timed("merge"):
        detections = merge_tiles(
            whole.detections,
            tiles,
            [part.detections for part in found],
            size,
            settings.nms_iou,
            settings.agnostic_nms,
        )
        for tile, part in zip(tiles, found, strict=True):
            if whole.heat is not None and part.heat is not None:
                view = whole.heat[tile.top : tile.bottom, tile.left : tile.right]
                np.maximum(view, part.heat, out=view)
    return ImageResult(detections, whole.heat)
