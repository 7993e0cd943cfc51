"""Tiles: they cover the image, and each object comes out once and whole, wherever the seams are."""

from itertools import pairwise

import cv2
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from tests.helpers import SHARED, needs_shared
from tests.utils.predict.blobs import as_rectangles, blob_image, blob_predictor
from utils.data.detections import Detections
from utils.images.image_io import read_image
from utils.predict.detect_images import DetectOptions, detect_images
from utils.predict.predictor import Predictor
from utils.predict.tiling import Tile, merge_tiles, plan_tiles


def test_tiles_by_hand():
    # 300 wide in tiles of 128 that share a fifth: steps of at most 102, so 172 pixels in 2 steps of 86
    tiles = plan_tiles((100, 300), (128, 128), 0.2)
    assert tiles == [Tile(0, 0, 128, 100), Tile(86, 0, 214, 100), Tile(172, 0, 300, 100)]
    assert plan_tiles((128, 100), (128, 128), 0.2) == [Tile(0, 0, 100, 128)]


@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.tuples(st.integers(32, 640), st.integers(32, 640)),
    st.floats(0, 0.6),
)
def test_tiles_cover_the_image_and_overlap(size, tile, overlap):
    tiles = plan_tiles(size, tile, overlap)
    for axis in (0, 1):
        spans = sorted({(found[axis], found[axis + 2]) for found in tiles})
        length, side = size[1 - axis], tile[1 - axis]
        assert spans[0][0] == 0 and spans[-1][1] == length
        assert all(end - start == min(side, length) for start, end in spans)
        shared = [end - start for (_, end), (start, _) in pairwise(spans)]
        assert all(pixels >= side * overlap - 1 for pixels in shared)


def find(image, input_size=(128, 128), **options):
    (found,) = detect_images(blob_predictor(input_size), [image], DetectOptions(tiles=True, **options))
    return found.detections


def agree(found, expected, tolerance=3):
    """Each object has one box, and each box an object."""
    found, left = as_rectangles(found), list(expected)
    for box in found:
        near = [k for k in left if k[0] == box[0] and np.abs(np.subtract(k, box)).max() <= tolerance]
        assert near, (box, left)
        left.remove(near[0])
    assert not left, left


SEAMS = (86, 128, 172, 214)  # of 300 pixels in tiles of 128


def test_small_objects_across_seams():
    """Smaller than the overlap of 42: whole in one of the tiles."""
    objects = [(k % 3, seam - 12, 20 + 60 * k, seam + 14, 44 + 60 * k) for k, seam in enumerate(SEAMS)]
    agree(find(blob_image(300, 300, *objects)), objects, 1)


def test_objects_larger_than_the_overlap():
    """80 pixels: cut in two tiles or more; on the whole image, 2.3 times smaller, they are seen too."""
    objects = [(0, 60, 10, 140, 90), (1, 150, 100, 230, 180), (2, 20, 180, 100, 260)]
    agree(find(blob_image(300, 300, *objects)), objects)


def test_objects_larger_than_a_tile():
    objects = [(0, 20, 20, 270, 200), (1, 30, 220, 290, 290)]
    agree(find(blob_image(300, 300, *objects)), objects)


def test_a_small_object_within_a_large_one_stays():
    objects = [(0, 10, 10, 290, 200), (1, 100, 60, 130, 90), (1, 10, 230, 40, 260)]
    agree(find(blob_image(300, 300, *objects)), objects)


def test_what_the_whole_image_is_too_small_for():
    """3000 pixels wide, objects of 40: at .04 of their size nothing is seen of them but in tiles."""
    objects = [(k % 3, 30 + 100 * k, 20, 70 + 100 * k, 60) for k in range(29)]
    image = blob_image(128, 3000, *objects)
    assert len(blob_predictor().detect([image])[0]) == 0
    agree(find(image), objects)


def test_pieces_that_no_part_saw_whole_are_joined():
    """110 pixels wide and 8 high on 3000: the whole image is too small for it, each tile cuts it."""
    objects = [(1, 100 + 300 * k, 60, 210 + 300 * k, 72) for k in range(9)]
    agree(find(blob_image(128, 3000, *objects)), objects)


def test_a_corner_where_four_tiles_meet():
    agree(find(blob_image(214, 214, (0, 77, 77, 137, 137))), [(0, 77, 77, 137, 137)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.2, 0.4]), st.booleans())
def test_any_objects_once_each(seed, overlap, augment):
    """On a grid of 75 pixels, one object in each cell: from 12 to 62 pixels a side."""
    rng = np.random.default_rng(seed)
    objects = []
    for row in range(4):
        for column in range(6):
            width, height = rng.integers(12, 62, 2)
            left = 75 * column + rng.integers(4, 70 - width)
            top = 75 * row + rng.integers(4, 70 - height)
            objects.append((int(rng.integers(3)), int(left), int(top), int(left + width), int(top + height)))
    found = find(blob_image(300, 450, *objects), tile_overlap=overlap, augment=augment)
    agree(found, objects, 5)


def test_an_image_of_one_tile_is_looked_at_once():
    predictor = blob_predictor()
    detect_images(predictor, [blob_image(100, 120, (0, 10, 10, 50, 50))], DetectOptions(tiles=True))
    assert predictor.model.detector.inputs == [(1, 3, 128, 128)]


def test_tiles_come_in_batches():
    predictor = blob_predictor()
    detect_images(predictor, [blob_image(300, 300)], DetectOptions(tiles=True, batch_size=4))
    assert [shape[0] for shape in predictor.model.detector.inputs] == [1, 4, 4, 1]


def detections(*rows):
    """Of rows (left, top, right, bottom, score, label)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    best = float(table[:, 4].max(initial=-1))
    label = int(table[table[:, 4].argmax(), 5]) if len(table) else -1
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), best, label, 100)


TILES = [Tile(0, 0, 100, 100), Tile(80, 0, 180, 100)]


def merged(whole, first, second, iou=0.5, agnostic=False):
    parts = [detections(*first), detections(*second)]
    found = merge_tiles(detections(*whole), TILES, parts, (100, 180), iou, agnostic)
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return [[*box, round(score, 2), label] for box, score, label in rows]


def test_a_piece_goes_where_its_whole_is():
    # in the first tile it ends at the edge; the second has all of it, with a lower score
    assert merged([], [[85, 20, 100, 60, 0.9, 1]], [[5, 20, 30, 60, 0.6, 1]]) == [[85, 20, 110, 60, 0.6, 1]]


def test_a_piece_of_another_class_stays():
    first, second = [[85, 20, 100, 60, 0.9, 0]], [[5, 20, 30, 60, 0.6, 1]]
    assert len(merged([], first, second)) == 2
    assert merged([], first, second, agnostic=True) == [[85, 20, 110, 60, 0.6, 1]]


def test_two_pieces_become_one_with_the_better_score():
    found = merged([], [[40, 20, 99, 60, 0.7, 1]], [[1, 22, 60, 60, 0.8, 1]])
    assert found == [[40, 20, 140, 60, 0.8, 1]]


def test_pieces_that_differ_along_the_seam_are_two_objects():
    assert len(merged([], [[40, 0, 100, 90, 0.7, 1]], [[0, 60, 60, 78, 0.8, 1]])) == 2
    assert len(merged([], [[40, 0, 100, 40, 0.7, 1]], [[0, 60, 60, 99, 0.8, 1]])) == 2


def test_the_edge_of_the_image_cuts_nothing():
    assert len(merged([], [[0, 20, 50, 60, 0.7, 1]], [[50, 20, 100, 60, 0.8, 1]])) == 2


def test_copies_go_by_nms():
    found = merged([[84, 20, 97, 60, 0.5, 1]], [[85, 20, 97, 60, 0.9, 1]], [[5, 20, 17, 60, 0.6, 1]])
    assert found == [[85, 20, 97, 60, 0.9, 1]]


def test_parts_of_what_is_larger_than_a_tile_go():
    whole = [[10, 5, 170, 95, 0.5, 1]]
    assert merged(whole, [[12, 10, 90, 90, 0.9, 1]], [[30, 20, 95, 90, 0.9, 1]]) == [[10, 5, 170, 95, 0.5, 1]]
    # something small within it, and something of another class, stay
    assert len(merged(whole, [[12, 10, 40, 40, 0.9, 1]], [[30, 20, 95, 90, 0.9, 0]])) == 3


def test_nothing_anywhere_says_what_came_nearest():
    parts = [Detections.empty(), *[detections()] * 2]
    near = Detections(*vars(Detections.empty()).values())
    near = Detections(near.boxes, near.scores, near.labels, 0.4, 2, 50)
    found = merge_tiles(parts[0], TILES, [near, parts[1]], (100, 180), 0.5)
    assert len(found) == 0 and (found.best_score, found.best_label, found.candidates) == (0.4, 2, 150)


def test_heat_maps_of_tiles_lie_at_their_places():
    image = blob_image(128, 3000, (1, 2000, 40, 2040, 80))
    (found,) = detect_images(blob_predictor(), [image], DetectOptions(tiles=True, heatmap=True))
    assert found.heatmap.shape == (128, 3000)
    row, column = np.unravel_index(found.heatmap.argmax(), found.heatmap.shape)
    assert abs(column - 2020) <= 2 and abs(row - 60) <= 2
    assert found.heatmap[:, :1900].max() == found.heatmap[:, 2100:].max() == 0


@needs_shared
def test_photographed_objects_are_found_once_and_whole():
    """Photographs of one object each, at random places of an image of 1200 x 1200, by a real network.

    Of 88 places for 22 photographs, 83 came out so, and 43 by the whole image alone.
    """
    weights = SHARED / "weights" / "yolox_nano_coco.pth"
    predictor = Predictor(weights, model="yolox_nano", device="cpu", amp="off", confidence=0.45)
    folder = SHARED / "data" / "coco128" / "images" / "train2017"
    rng = np.random.default_rng(0)
    good, good_whole = [], []
    for number in (25, 34, 72, 78, 263, 400, 471, 502, 569, 629):
        photograph = read_image(folder / f"{number:012}.jpg")
        (single,) = predictor.detect([photograph])
        small = cv2.resize(photograph, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        left, top = rng.integers(0, [1200 - width, 1200 - height])
        canvas = np.full((1200, 1200, 3), 114, np.uint8)
        canvas[top : top + height, left : left + width] = small
        expected = torch.from_numpy(single.boxes * 0.4 + [left, top] * 2)
        (found,) = detect_images(predictor, [canvas], DetectOptions(tiles=True))
        for results, detections in ((good, found.detections), (good_whole, predictor(canvas))):
            boxes = torch.from_numpy(detections.boxes[detections.labels == single.labels[0]])
            results.append(len(boxes) == 1 and bool(box_iou(boxes.double(), expected) > 0.6))
    assert sum(good) >= 8 > sum(good_whole)
