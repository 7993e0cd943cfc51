"""The user's own augmentation: what it gets, what becomes of what it returns, and files that are wrong."""

import pickle
import random

import numpy as np
import pytest

from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.augment.user_augmentation import compiled, read_user_augmentation
from utils.data.targets import Objects, join_objects

HEADER = "import numpy as np\n\ndef augment(image, boxes, labels, rng):\n"
SETTINGS = Augmentation(min_size=2, min_visibility=0.2)
HEIGHT, WIDTH = 60, 80
BOXES = np.array([[10.0, 20, 30, 40], [50, 10, 70, 50]])


def user(folder, body, header=HEADER):
    """The file of a function with this body, or of this text if `header` is ""."""
    path = folder / "mine.py"
    path.write_text(header + body, encoding="utf-8")
    found = read_user_augmentation(str(path))
    assert found is not None
    return found


def images_of(number=1):
    return np.random.default_rng(0).integers(0, 256, (number, HEIGHT, WIDTH, 3), dtype=np.uint8)


def apply(augmentation, images=None, parts=None, settings=SETTINGS, seed=0, classes=3):
    images = images_of() if images is None else images
    parts = parts or [(BOXES, np.array([0, 2]))] * len(images)
    generators = [np.random.default_rng([seed, sample]) for sample in range(len(images))]
    names = [f"image {sample}" for sample in range(len(images))]
    return augmentation.apply(images, join_objects(parts), settings, generators, names, classes)


def same(first: Objects, second: Objects):
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_no_file_no_augmentation():
    assert read_user_augmentation("") is None


def test_the_function_gets_each_sample_and_its_objects(tmp_path):
    body = """
    assert image.shape == (60, 80, 3) and image.dtype == np.uint8
    assert boxes.dtype == np.float32 and labels.dtype == np.int64
    assert isinstance(rng, np.random.Generator)
    image[0, 0] = len(boxes)
    image[0, 1] = int(1000 * rng.random()) % 256
    return image, boxes + 1, 2 - labels
"""
    images, before = images_of(3), images_of(3)
    parts = [(BOXES, np.array([0, 2])), (np.zeros((0, 4)), np.zeros(0, np.int64)), (BOXES[1:], np.array([1]))]
    objects = apply(user(tmp_path, body), images, parts)
    assert objects.sample.tolist() == [0, 0, 2] and objects.labels.tolist() == [2, 0, 1]
    assert np.array_equal(objects.boxes, np.concatenate([BOXES, BOXES[1:]]) + 1)
    assert images[:, 0, 0, 0].tolist() == [2, 0, 1]
    draws = [int(1000 * np.random.default_rng([0, sample]).random()) % 256 for sample in range(3)]
    assert images[:, 0, 1, 0].tolist() == draws
    assert np.array_equal(images[:, 1:], before[:, 1:])


def test_a_view_of_the_image_may_be_returned(tmp_path):
    images, before = images_of(), images_of()
    body = "    boxes[:, 0::2] = 80 - boxes[:, 2::-2]\n    return image[:, ::-1], boxes, labels\n"
    objects = apply(user(tmp_path, body), images)
    assert np.array_equal(images, before[:, :, ::-1])
    assert objects.boxes.tolist() == [[50, 20, 70, 40], [10, 10, 30, 50]]


@pytest.mark.parametrize("boxes", ["np.zeros((0, 4)), np.zeros(0, int)", "[], []", "np.zeros(0), []"])
def test_no_objects_may_be_left(tmp_path, boxes):
    assert len(apply(user(tmp_path, f"    return image, {boxes}\n")).labels) == 0


def test_boxes_are_clipped_and_hardly_visible_ones_dropped(tmp_path):
    """An image is 80 x 60. Of the second box a tenth is inside; the others are slivers, points or outside."""
    body = """
    boxes = [[-10, -20, 30, 90], [78, 0, 98, 20], [5, 5, 6, 50]]
    boxes += [[5, 5, 5, 5], [90, 90, 95, 95], [70, 0, 85, 9]]
    return image, boxes, [0, 1, 2, 0, 1, 2]
"""
    objects = apply(user(tmp_path, body))
    assert objects.boxes.tolist() == [[0, 0, 30, 60], [70, 0, 80, 9]] and objects.labels.tolist() == [0, 2]
    everything = apply(user(tmp_path, body), settings=NO_AUGMENTATION)
    assert everything.labels.tolist() == [0, 1, 2, 2], "those without area or outside are dropped always"


def test_the_file_is_read_once_and_pickled_with_its_text(tmp_path):
    first = user(tmp_path, "    return image, boxes + 1, labels\n")
    user(tmp_path, "    return image, boxes + 5, labels\n")  # edited during the training
    again = pickle.loads(pickle.dumps(first))
    compiled.cache_clear()  # as in a process that starts now
    assert apply(again).boxes[0].tolist() == [11, 21, 31, 41]


def test_dataclasses_and_constants_of_the_file(tmp_path):
    text = """from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Shift:
    pixels: int

SHIFT = Shift(3)

def augment(image, boxes, labels, rng):
    return image, boxes + SHIFT.pixels, labels
"""
    assert apply(user(tmp_path, text, header="")).boxes[0].tolist() == [13, 23, 33, 43]


def problem_of(folder, body, header=HEADER):
    with pytest.raises(ValueError, match="--augment-file") as problem:
        apply(user(folder, body, header))
    assert str(folder / "mine.py") in str(problem.value)
    return str(problem.value).replace(str(folder / "mine.py"), "FILE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def augment(image:\n    pass\n", "--augment-file FILE, line 1: '(' was never closed"),
        ("x = 1\n\x00", "--augment-file FILE"),
        ("x = 1\ny = x / 0\n", "--augment-file FILE, line 2: ZeroDivisionError (division by zero)"),
        ("import sys\nsys.exit(3)\n", "--augment-file FILE, line 2: SystemExit (3)"),
        (
            "import nosuchmodule\n",
            "line 1: ModuleNotFoundError (No module named 'nosuchmodule'); install it",
        ),
        ("", "FILE defines neither a function augment(image, boxes, labels, rng) nor a transform"),
        ("augment = 5\n", "FILE defines neither a function"),
        ("transform = 5\n", "FILE: transform must be albumentations.Compose([...])"),
    ],
)
def test_files_that_are_wrong(tmp_path, text, message):
    assert message in problem_of(tmp_path, text, header="")


def test_a_file_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(ValueError, match=r"--augment-file: there is no file .*none\.py"):
        read_user_augmentation(str(tmp_path / "none.py"))
    (tmp_path / "mine.py").write_bytes(b"\xff\xfe\xfa\x80 = 1")
    with pytest.raises(ValueError, match=r"mine\.py"):
        read_user_augmentation(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    return image\n", "must return (image, boxes, labels), not uint8 [60, 80, 3]"),
        ("    pass\n", "must return (image, boxes, labels), not NoneType"),
        ("    return image, boxes\n", "must return (image, boxes, labels), not a tuple of 2"),
        (
            "    return image[:30], boxes, labels\n",
            "must stay uint8 [60, 80, 3], but uint8 [30, 80, 3] was returned",
        ),
        ("    return image / 255, boxes, labels\n", "but float64 [60, 80, 3] was returned"),
        ("    return image.tolist(), boxes, labels\n", "but a list of 60 was returned"),
        ("    return image, boxes[:, :3], labels\n", "boxes must be [N, 4], but [2, 3] was returned"),
        ("    return image, boxes[0], labels\n", "boxes must be [N, 4], but [4] was returned"),
        ("    return image, ['a'], labels\n", "boxes must be an array of numbers, but a list of 1"),
        ("    return image, None, labels\n", "boxes must be [N, 4], but [] was returned"),
        ("    return image, boxes, labels[:1]\n", "2 boxes need as many labels, but [1] was returned"),
        ("    return image, boxes[:0], labels\n", "0 boxes need as many labels, but [2] was returned"),
        ("    return image, boxes * np.nan, labels\n", "boxes must be finite numbers"),
        (
            "    boxes[:, 0::2] = 80 - boxes[:, 0::2]\n    return image, boxes, labels\n",
            "boxes must be x1, y1, x2, y2 with x1 <= x2 and y1 <= y2, not [70.0, 20.0, 50.0, 40.0]",
        ),
        ("    return image, boxes, labels + 1\n", "labels must be whole numbers from 0 to 2, not [1.0, 3.0]"),
        ("    return image, boxes, labels + .5\n", "labels must be whole numbers"),
        ("    return image, boxes, labels * np.nan\n", "labels must be whole numbers"),
        ("    x = 0\n    return 1 / x\n", "FILE, line 5, in augment: ZeroDivisionError (division by zero)"),
        ("    raise ValueError('not\\nthis')\n", "FILE, line 4, in augment: ValueError (not this)"),
    ],
)
def test_functions_that_are_wrong(tmp_path, body, message):
    text = problem_of(tmp_path, body)
    assert message in text and text.endswith("with image 0") and "\n" not in text


def test_an_error_names_the_innermost_line_of_the_file(tmp_path):
    text = "def shift(boxes):\n    return boxes[9]\n\n" + HEADER + "    return image, shift(boxes), labels\n"
    assert "FILE, line 2, in shift: IndexError" in problem_of(tmp_path, text, header="")


# Albumentations

TRANSFORM = """import albumentations as A

transform = A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), A.RandomBrightnessContrast(p=0.5)])
"""


@pytest.fixture
def albumentations():
    return pytest.importorskip("albumentations", reason="the extra `albumentations` is not installed")


@pytest.mark.usefixtures("albumentations")
def test_a_transform_moves_boxes_with_the_image(tmp_path):
    text = "import albumentations as A\n\ntransform = A.Compose([A.HorizontalFlip(p=1)])\n"
    images, before = images_of(2), images_of(2)
    parts = [(BOXES, np.array([2, 0])), (np.zeros((0, 4)), np.zeros(0, np.int64))]
    objects = apply(user(tmp_path, text, header=""), images, parts)
    assert np.array_equal(images, before[:, :, ::-1])
    np.testing.assert_allclose(objects.boxes, [[50, 20, 70, 40], [10, 10, 30, 50]], atol=1e-4)
    assert objects.labels.tolist() == [2, 0] and objects.sample.tolist() == [0, 0]


@pytest.mark.usefixtures("albumentations")
def test_all_randomness_of_a_transform_comes_from_the_generator(tmp_path):
    """Whatever was transformed before, and in any process; and flips are independent of each other."""
    augmentation = user(tmp_path, TRANSFORM, header="")
    images, again, others = images_of(40), images_of(40), images_of(40)
    first = apply(augmentation, images, seed=1)
    apply(augmentation, others, seed=2)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    compiled.cache_clear()
    second = apply(pickle.loads(pickle.dumps(augmentation)), again, seed=1)
    assert same(first, second) and np.array_equal(images, again) and not np.array_equal(images, others)
    corners = first.boxes[first.labels == 0][:, :2].round().astype(int).tolist()
    # Boxes of label 0 begin at 10 or 50 from the left, and at 20 from the top, or at 60 - 40 = 20 again.
    assert 8 <= sum(x == 10 for x, _ in corners) <= 32 and {y for _, y in corners} == {20}
    tall = first.boxes[first.labels == 2][:, :2].round().astype(int)
    assert set(tall[:, 0].tolist()) == {50, 10}


@pytest.mark.usefixtures("albumentations")
def test_a_transform_of_pixels_alone_leaves_boxes_alone(tmp_path, recwarn):
    text = "import albumentations as A\n\ntransform = A.Compose([A.InvertImg(p=1)])\n"
    images, before = images_of(), images_of()
    objects = apply(user(tmp_path, text, header=""), images)
    assert np.array_equal(images, 255 - before)
    np.testing.assert_allclose(objects.boxes, BOXES, atol=1e-4)
    assert not [str(warning.message) for warning in recwarn]


@pytest.mark.usefixtures("albumentations")
def test_flips_of_a_transform_are_independent(tmp_path):
    """Given one seed for all, transforms with the same probability would all run or all rest."""
    text = TRANSFORM.replace(", A.RandomBrightnessContrast(p=0.5)", "")
    parts = [(np.array([[0.0, 0, 20, 10]]), np.array([0]))] * 60
    objects = apply(user(tmp_path, text, header=""), images_of(60), parts)
    corners = [tuple(corner) for corner in objects.boxes[:, :2].round().astype(int).tolist()]
    assert {*corners} == {(0, 0), (60, 0), (0, 50), (60, 50)}
    assert min(map(corners.count, {*corners})) >= 5  # 15 each, +- 3 deviations of 3.4


@pytest.mark.usefixtures("albumentations")
@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("A.Compose([], bbox_params=A.BboxParams('coco', ['x']))", "omit bbox_params"),
        ("A.HorizontalFlip()", "transform must be albumentations.Compose([...])"),
        ("A.Compose([A.Resize(30, 40)])", "but uint8 [30, 40, 3] was returned"),
        ("A.Compose([A.Normalize()])", "but float32 [60, 80, 3] was returned"),
        ("A.Compose([A.Crop(0, 0, 900, 900)])", ", in transform: "),
    ],
)
def test_transforms_that_are_wrong(tmp_path, transform, message):
    assert message in problem_of(
        tmp_path, f"import albumentations as A\ntransform = {transform}\n", header=""
    )


@pytest.mark.usefixtures("albumentations")
def test_a_transform_drops_boxes_that_it_hardly_leaves_visible(tmp_path):
    """Shifted left by half the width of 80: of the first box, from 30 to 42, 2 of 12 pixels are left."""
    text = (
        "import albumentations as A\n"
        "transform = A.Compose([A.Affine(translate_percent={'x': (-.5, -.5)}, fit_output=False, p=1)])\n"
    )
    parts = [(np.array([[30.0, 10, 42, 50], [50, 10, 70, 50]]), np.array([0, 1]))]
    objects = apply(user(tmp_path, text, header=""), parts=parts)
    assert objects.labels.tolist() == [1]
    np.testing.assert_allclose(objects.boxes, [[10, 10, 30, 50]], atol=1)
