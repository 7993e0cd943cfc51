"""Heat maps: the peak lies on the object, is as high as its score, and the image shows through."""

import numpy as np
import pytest
import torch

from tests.utils.predict.blobs import COLOURS, blob_image, blob_predictor
from utils.images.letterbox import plan_letterbox
from utils.predict.heatmap import draw_heatmap, heatmap_of


def peak(heat):
    """x, y of the middle of what is within 1 of the highest, in pixels, and its height."""
    rows, columns = np.nonzero(heat >= heat.max() - 1)
    return (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2, int(heat.max())


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("size", [(90, 300), (300, 90), (128, 128), (640, 480), (61, 37)])
@pytest.mark.parametrize("input_size", [(128, 128), (96, 256)])
def test_the_peak_lies_on_the_object(centred, size, input_size):
    """Wherever the image lies on the input, and however much larger or smaller it is."""
    height, width = size
    left, top = int(0.7 * width), int(0.2 * height)
    right, bottom = left + max(8, width // 5), top + max(8, height // 6)
    predictor = blob_predictor(input_size, centred)
    candidates, letterboxes = predictor.candidates([blob_image(height, width, (1, left, top, right, bottom))])
    heat = heatmap_of(candidates.boxes[0], candidates.scores[0].amax(-1), letterboxes[0])
    assert heat.shape == size and heat.dtype == np.uint8
    x, y, highest = peak(heat)
    pixel = max(1, 1 / letterboxes[0].scale_x)  # of the input, on the image
    assert abs(x - (left + right) / 2) <= 1.5 * pixel
    assert abs(y - (top + bottom) / 2) <= 1.5 * pixel
    assert highest >= 0.75 * 255
    assert heat[height - 5 :, : width // 3].max() == 0, "nothing where nothing is"


def one(boxes, scores, plan=None):
    plan = plan or plan_letterbox((64, 64), (64, 64))
    return heatmap_of(torch.tensor(boxes).float(), torch.tensor(scores).float(), plan).astype(int)


def test_the_hill_by_hand():
    """A box of 24 x 12 around (20, 30): deviations 4 and 2. Centres of pixels lie at halves."""
    heat = one([[8, 24, 32, 36]], [0.8])
    top = 0.8 * 255
    assert heat[30, 20] == round(top * np.exp(-0.5 * ((0.5 / 4) ** 2 + (0.5 / 2) ** 2)))
    assert heat[30, 24] == round(top * np.exp(-0.5 * ((4.5 / 4) ** 2 + (0.5 / 2) ** 2)))
    assert heat[30, 32] == heat[36, 20] == heat[30, 7] == 0  # outside the box
    np.testing.assert_array_equal(heat[:, 8:32], heat[:, 8:32][:, ::-1])


def test_hills_do_not_add_up():
    low, high = one([[8, 8, 40, 40]], [0.4]), one([[20, 20, 60, 60]], [0.7])
    np.testing.assert_array_equal(one([[8, 8, 40, 40], [20, 20, 60, 60]], [0.4, 0.7]), np.maximum(low, high))


def test_what_is_faint_or_outside_leaves_nothing_or_little():
    assert one([[8, 8, 40, 40]], [0.009]).max() == 0
    assert one(np.zeros((0, 4)), np.zeros(0)).max() == 0
    assert one([[-50, -50, -20, -20], [70, 10, 90, 20]], [0.9, 0.9]).shape == (64, 64)
    assert one([[10, 10, 10, 10]], [0.9]).max() > 70, "a box without area is a point"


def test_padding_is_not_on_the_map():
    """200 x 100 on 64 x 64, centred: rows 16 to 48 of the input. A hill at (32, 32) is at (100, 50)."""
    plan = plan_letterbox((100, 200), (64, 64), centred=True)
    x, y, _ = peak(one([[26, 26, 38, 38]], [0.9], plan))
    assert abs(x - 100) < 2 and abs(y - 50) < 2


def test_the_image_is_grey_where_nothing_is_and_bright_where_something_is():
    image = blob_image(40, 60, (0, 0, 0, 30, 40))
    heat = np.zeros((40, 60), np.uint8)
    heat[20:30, 35:50] = 255
    drawn = draw_heatmap(image, heat)
    assert tuple(drawn[5, 5]) == (76, 76, 76)  # red: .299 * 255
    assert tuple(drawn[5, 50]) == (114, 114, 114)
    hot = drawn[25, 40].astype(int)
    assert hot[0] > 200 > 160 > hot[2], "inferno ends in a light yellow"
    assert tuple(image[5, 5]) == COLOURS[0], "the image itself is left as it was"


def test_more_heat_looks_brighter_everywhere_on_the_scale():
    """By luminance, on any background: to those who see no colours too."""
    scale = np.tile(np.arange(256, dtype=np.uint8), (2, 1))
    dark = draw_heatmap(np.zeros((2, 256, 3), np.uint8), scale)[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(dark) > -1.5).all() and dark[-1] > dark[128] + 40 > dark[20] + 80
