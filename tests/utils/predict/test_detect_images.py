"""Views and tiles find what plain detection does; heat maps show the classes asked for."""

import numpy as np
import pytest

from tests.utils.predict.blobs import as_rectangles, blob_image, blob_predictor
from utils.predict.detect_images import DetectOptions, detect_images
from utils.system.stopwatch import Stopwatch

OBJECTS = ((0, 10, 10, 40, 40), (1, 80, 60, 110, 100))


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("tiles", [False, True])
def test_every_way_finds_the_same_on_easy_images(augment, tiles):
    images = [blob_image(128, 128, *OBJECTS), blob_image(200, 128, OBJECTS[0])]
    found = detect_images(blob_predictor(), images, DetectOptions(augment=augment, tiles=tiles))
    for result, objects in zip(found, (OBJECTS, OBJECTS[:1]), strict=True):
        assert result.heatmap is None
        np.testing.assert_allclose(as_rectangles(result.detections), objects, atol=2)
    assert detect_images(blob_predictor(), [], DetectOptions(augment=augment, tiles=tiles)) == []


def test_the_heat_map_is_of_the_classes_asked_for():
    image = blob_image(128, 128, *OBJECTS)
    places = [(25, 25), (80, 95)]

    def seen(**options):
        (found,) = detect_images(predictor, [image], DetectOptions(heatmap=True, **options))
        return [bool(found.heatmap[place] > 200) for place in places]

    predictor = blob_predictor()
    assert seen() == [True, True]
    assert seen(heatmap_class="green") == [False, True]
    predictor.wanted = [0]
    assert seen() == [True, False]


def test_the_heat_map_has_what_is_below_the_threshold():
    predictor = blob_predictor(confidence=0.95)
    (found,) = detect_images(predictor, [blob_image(128, 128, *OBJECTS)], DetectOptions(heatmap=True))
    assert len(found.detections) == 0
    # the box of 30 x 40: deviations 5 and 6.67, and its top half a pixel from the nearest centres
    assert found.heatmap.max() == round(0.9 * 255 * np.exp(-0.5 * ((0.5 / 5) ** 2 + (0.5 / 6.67) ** 2)))


def test_stages_are_timed():
    watch = Stopwatch()
    detect_images(blob_predictor(), [blob_image(300, 300)], DetectOptions(tiles=True, heatmap=True), watch)
    assert list(watch.seconds) == ["preprocess", "network", "NMS", "heat map", "merge"]
