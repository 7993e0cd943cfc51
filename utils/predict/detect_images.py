"""Detects on images as they are, with test-time augmentation or in tiles; makes heat maps too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np

from utils.data.detections import Detections
from utils.data.types import Image
from utils.predict.heatmap import Heatmap, heatmap_of
from utils.predict.predictor import Predictor
from utils.predict.tiling import merge_tiles, plan_tiles
from utils.predict.tta import augmented_candidates
from utils.system.settings import PositiveInt, Range
from utils.system.stopwatch import Stopwatch

TileOverlap = Annotated[float, Range("from 0 to 0.9", lambda value: 0 <= value <= 0.9)]


@dataclass(frozen=True)
class DetectOptions:
    """How images are looked at, and whether heat maps are made."""

    batch_size: PositiveInt = 8  # images per batch, or tiles of a large image
    augment: bool = False  # test-time augmentation: flip and scale; finds more, 4 times slower
    tiles: bool = False  # also detect on overlapping tiles of large images; finds small objects
    tile_overlap: TileOverlap = 0.2  # overlap of neighbouring tiles, as a fraction of their side
    heatmap: bool = False  # save a heat map of the scores of all candidates, before any threshold
    heatmap_class: str | None = None  # a heat map of this class only

    @property
    def wants_heatmap(self) -> bool:
        """Whether each result has a heat map."""
        return self.heatmap or self.heatmap_class is not None


class ImageResult(NamedTuple):
    """The detections on an image, and the heat map, if requested."""

    detections: Detections
    heatmap: Heatmap | None


def detect_images(
    predictor: Predictor, images: Sequence[Image], options: DetectOptions, watch: Stopwatch | None = None
) -> list[ImageResult]:
    """Return the detections on each image of one batch, with heat maps if requested.

    `watch` records the time of "preprocess", "network" and "NMS", and of "heat map" and "merge" if they run.
    """
    if options.tiles:
        return [_detect_in_tiles(predictor, image, options, watch or Stopwatch()) for image in images]
    return _detect(predictor, images, options, watch or Stopwatch()) if images else []


def _detect(
    predictor: Predictor, images: Sequence[Image], options: DetectOptions, watch: Stopwatch
) -> list[ImageResult]:
    if options.augment:
        candidates, letterboxes = augmented_candidates(predictor, images, watch)
    else:
        candidates, letterboxes = predictor.candidates(images, watch)
    detections = predictor.select(candidates, letterboxes, watch)
    if not options.wants_heatmap:
        return [ImageResult(found, None) for found in detections]
    name = options.heatmap_class
    labels = predictor.wanted if name is None else [predictor.class_names.index(name)]
    with watch.timed("heat map"):
        scores = candidates.scores[..., labels].amax(dim=-1)
        heatmaps = map(heatmap_of, candidates.boxes, scores, letterboxes)
        return [ImageResult(*pair) for pair in zip(detections, heatmaps, strict=True)]


def _detect_in_tiles(
    predictor: Predictor, image: Image, options: DetectOptions, watch: Stopwatch
) -> ImageResult:
    """Detect on the whole image, and on tiles as large as the network's input."""
    size = (image.shape[0], image.shape[1])
    (whole,) = _detect(predictor, [image], options, watch)
    tiles = plan_tiles(size, predictor.model.image_size, options.tile_overlap)
    if len(tiles) == 1:
        return whole
    found: list[ImageResult] = []
    for start in range(0, len(tiles), options.batch_size):
        batch = tiles[start : start + options.batch_size]
        parts = [image[tile.top : tile.bottom, tile.left : tile.right] for tile in batch]
        found += _detect(predictor, parts, options, watch)
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
            if whole.heatmap is not None and part.heatmap is not None:
                view = whole.heatmap[tile.top : tile.bottom, tile.left : tile.right]
                np.maximum(view, part.heatmap, out=view)
    limited = any(part.detections.limited for part in (whole, *found))
    return ImageResult(replace(detections, limited=limited), whole.heatmap)
