"""Samples planned, painted and checked: what is drawn must lie where the boxes say."""

import numpy as np
import pytest

from utils.augment.box_transform import PlacedImage, placed_objects
from utils.augment.orientation import UPRIGHT
from utils.augment.placement import paste_uses, resolve
from utils.augment.sample_plan import blend, plan_mosaic, plan_sample, plan_single, random_transform
from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.data.index import ImageRecord, build_index

SIZE = (120, 160)
EVERYTHING = Augmentation(mosaic=0.7, hue=0, saturation=0, brightness=0, min_visibility=0, min_size=0)
SHAPES = [(120, 160), (480, 640), (160, 120), (30, 400), (400, 30), (5, 7), (700, 210), (1, 9)]
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)


def painted(shape: tuple[int, int], colour: np.ndarray, rng: np.random.Generator):
    """A black image with one rectangle of one colour, and that rectangle as a box."""
    height, width = shape
    x1, y1 = rng.integers(0, max(1, width // 2)), rng.integers(0, max(1, height // 2))
    x2, y2 = (
        rng.integers(x1 + max(1, width // 3), width + 1),
        rng.integers(y1 + max(1, height // 3), height + 1),
    )
    image = np.zeros((height, width, 3), np.uint8)
    image[y1:y2, x1:x2] = colour
    return image, np.array([[x1, y1, x2, y2]], np.float32)


def extent(canvas: np.ndarray, colour: np.ndarray) -> np.ndarray | None:
    """The xyxy extent of the pixels nearest to `colour`; black is no colour."""
    mask = ((canvas > 127) == (colour > 127)).all(axis=2)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) if len(rows) else None


@pytest.mark.parametrize("seed", range(250))
def test_painted_rectangles_lie_in_their_boxes(seed):
    rng = np.random.default_rng(seed)
    shapes = [SHAPES[k] for k in rng.integers(len(SHAPES), size=4)]
    images = [painted(shape, colour, rng) for shape, colour in zip(shapes, COLOURS, strict=True)]
    records = [ImageRecord("", box, np.array([number])) for number, (_, box) in enumerate(images)]
    (layer,) = plan_sample(0, [1, 2, 3], SIZE, EVERYTHING, rng).layers
    canvas, other, placed = np.full((*SIZE, 3), 7, np.uint8), np.full((*SIZE, 3), 99, np.uint8), []
    for image_number, tile in layer:
        image, _ = images[image_number]
        for index, placement in paste_uses(image, [(0, tile), (1, tile)], [canvas, other], 0):
            if index == 0:
                placed.append(PlacedImage(0, image_number, 1, placement))
    assert (canvas == other).all()  # nothing is left of what was there before
    objects = placed_objects(build_index(records, list("abcd")), placed, EVERYTHING)
    boxes = dict(zip(objects.labels.tolist(), objects.boxes, strict=True))
    for image_number, colour in enumerate(COLOURS):
        seen_extent = extent(canvas, colour)
        if image_number not in boxes:
            assert seen_extent is None
        elif (boxes[image_number][2:] - boxes[image_number][:2]).min() >= 2:
            np.testing.assert_allclose(seen_extent, boxes[image_number], rtol=0, atol=1)


@pytest.mark.parametrize("seed", range(20))
def test_mosaic_tiles_part_the_input_without_gap_or_overlap(seed):
    rng = np.random.default_rng(seed)
    covered = np.zeros(SIZE, int)
    for tile in plan_mosaic(SIZE, Augmentation(translate=0.5), rng):
        x1, y1, x2, y2 = tile.bounds
        covered[y1:y2, x1:x2] += 1
    assert (covered == 1).all()


def test_mosaic_of_images_of_the_inputs_shape_leaves_no_gap_around_the_meeting_point():
    rng = np.random.default_rng(0)
    canvas = np.zeros((*SIZE, 3), np.uint8)
    tiles = plan_mosaic(SIZE, Augmentation(scale=(1, 1), translate=0, hue=0, saturation=0, brightness=0), rng)
    for tile in tiles:
        image = np.full((60, 80, 3), 200, np.uint8)  # half the input, so enlarged twice
        assert len(paste_uses(image, [(0, tile)], [canvas], 0)) == 1
    # The middle of the doubled canvas is cut out, so four images as large as the input cover it wholly.
    assert (canvas == 200).all()


def test_tiles_that_cannot_be_seen_are_left_out():
    settings = Augmentation(mosaic=1, scale=(1.5, 1.5), translate=0)
    numbers = [
        len(plan_sample(0, [1, 2, 3], SIZE, settings, np.random.default_rng(s)).layers[0]) for s in range(200)
    ]
    # The meeting point is visible with probability 2/3 along each side: all four tiles in 4/9 of the samples.
    assert set(numbers) == {1, 2, 4}
    assert abs(numbers.count(4) / 200 - 4 / 9) < 0.11  # three standard deviations


@pytest.mark.parametrize("others", [[0], [1], [1, 2]])
def test_fewer_than_four_images(others):
    for seed in range(20):
        (layer,) = plan_sample(
            0, others, SIZE, Augmentation(mosaic=1, scale=(0.5, 0.5)), np.random.default_rng(seed)
        ).layers
        assert len(layer) == 4
        assert {image for image, _ in layer} <= {0, *others}
        assert 0 in [image for image, _ in layer]


def test_an_image_comes_in_any_corner_of_its_mosaic():
    settings = Augmentation(mosaic=1, scale=(0.5, 0.5), translate=0)
    corners = set()
    for seed in range(50):
        (layer,) = plan_sample(0, [1, 2, 3], SIZE, settings, np.random.default_rng(seed)).layers
        assert sorted(image for image, _ in layer) == [0, 1, 2, 3]
        corners |= {tile.anchor for image, tile in layer if image == 0}
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_mixup_adds_a_layer_to_a_mosaic_only():
    rng = np.random.default_rng(0)
    assert len(plan_sample(0, [1, 2, 3], SIZE, Augmentation(mosaic=1, mixup=1), rng).layers) == 2
    assert len(plan_sample(0, [1, 2, 3], SIZE, Augmentation(mosaic=0, mixup=1), rng).layers) == 1
    assert len(plan_sample(0, [1, 2, 3], SIZE, Augmentation(mosaic=1, mixup=0), rng).layers) == 1


def test_probabilities_are_kept():
    rng = np.random.default_rng(0)
    settings = Augmentation(mosaic=0.5, mixup=0.5, scale=(0.5, 0.5))
    samples = [plan_sample(0, [1, 2, 3], SIZE, settings, rng).layers for _ in range(1000)]
    mosaics = [layers for layers in samples if len(layers[0]) == 4]
    assert abs(len(mosaics) / 1000 - 0.5) < 0.05
    assert abs(sum(len(layers) == 2 for layers in mosaics) / len(mosaics) - 0.5) < 0.07


def test_switched_off_nothing_is_random():
    first, second = (plan_single(SIZE, NO_AUGMENTATION, np.random.default_rng(seed)) for seed in (0, 1))
    assert first == second
    assert first == (1.0, (0, 0), (0, 0), (0, 0, 160, 120), None, UPRIGHT)


def test_a_single_image_is_zoomed_around_the_middle():
    tile = plan_single(SIZE, Augmentation(scale=(0.5, 0.5), translate=0, flip=0), np.random.default_rng(0))
    assert resolve(tile, SIZE, SIZE).area == (40, 30, 120, 90)


def test_blend_is_the_mean():
    image, other = np.full((4, 4, 3), 10, np.uint8), np.full((4, 4, 3), 251, np.uint8)
    blend(image, other)
    assert abs(image.astype(float) - 130.5).max() <= 0.5
    assert (other == 251).all()


def test_turns_keep_to_their_strengths():
    rng = np.random.default_rng(0)
    assert random_transform(NO_AUGMENTATION, rng) is None
    angles = []
    for _ in range(300):
        turn = random_transform(Augmentation(rotation=30), rng)
        np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=1e-12)
        angles.append(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))
    assert -30 <= min(angles) < -28 and 28 < max(angles) <= 30
    for _ in range(300):
        lean = random_transform(Augmentation(shear=10), rng)
        assert lean[0, 0] == lean[1, 1] == 1
        assert np.abs(np.degrees(np.arctan(lean[[0, 1], [1, 0]]))).max() <= 10


def test_flip_and_colour_are_drawn_for_each_sample():
    rng = np.random.default_rng(0)
    assert all(plan_sample(0, [1], SIZE, Augmentation(flip=1), rng).flip for _ in range(50))
    assert not any(plan_sample(0, [1], SIZE, Augmentation(flip=0), rng).flip for _ in range(50))
    flips = [plan_sample(0, [1], SIZE, Augmentation(), rng).flip for _ in range(400)]
    assert abs(sum(flips) / 400 - 0.5) < 0.1
    plan = plan_sample(0, [1], SIZE, NO_AUGMENTATION, rng)
    assert not plan.flip and (plan.colour == np.eye(3)).all()
