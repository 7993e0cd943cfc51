"""Test-time augmentation: boxes of every view come back to the same place."""

import numpy as np
import pytest

from tests.utils.predict.blobs import as_rectangles, blob_image, blob_predictor
from utils.predict.tta import VIEWS, augmented_candidates
from utils.system.stopwatch import Stopwatch


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("size", [(100, 180), (180, 100), (128, 128), (200, 500)])
def test_all_views_say_the_same(centred, size):
    """No object lies on the image's middle: a wrong flip would be seen."""
    height, width = size
    objects = [
        (0, 10, 20, 40, 60),
        (2, width - 30, height - 50, width - 5, height - 10),
    ]
    predictor = blob_predictor((256, 256), centred)
    candidates, letterboxes = augmented_candidates(predictor, [blob_image(height, width, *objects)])
    assert candidates.boxes.shape == (1, 2 * len(VIEWS), 4)
    tolerance = 2.5 * max(size) / 256  # pixels of the smallest input, on the image
    for k in range(len(VIEWS)):
        boxes = letterboxes[0].inverse(candidates.boxes[0, 2 * k : 2 * k + 2].numpy())
        labels = candidates.scores[0, 2 * k : 2 * k + 2].argmax(-1)
        for box, label in zip(boxes, labels.tolist(), strict=True):
            expected = next(found[1:] for found in objects if found[0] == label)
            np.testing.assert_allclose(box, expected, atol=tolerance)
    (found,) = predictor.select(candidates, letterboxes)
    assert len(found) == 2, "the copies go by NMS"


def test_sizes_of_the_views():
    predictor = blob_predictor((256, 320))
    augmented_candidates(predictor, [blob_image(100, 100)] * 2)
    # .83 * 256 = 212.5, .83 * 320 = 265.6; 1.2 * 256 = 307.2, 1.2 * 320 = 384; multiples of 32
    sizes = [shape[2:] for shape in predictor.model.detector.inputs]
    assert sizes == [(256, 320), (256, 320), (224, 256), (320, 384)]
    assert predictor.model.image_size == (256, 320)
    assert all(shape[0] == 2 for shape in predictor.model.detector.inputs)


def test_a_file_of_fixed_size_is_flipped_only():
    predictor = blob_predictor((128, 128))
    predictor.model.detector.accepts = lambda size: size == (128, 128)
    candidates, letterboxes = augmented_candidates(predictor, [blob_image(90, 120, (1, 10, 10, 40, 30))])
    assert [shape[2:] for shape in predictor.model.detector.inputs] == [(128, 128)] * 2
    (found,) = predictor.select(candidates, letterboxes)
    np.testing.assert_allclose(as_rectangles(found), [(1, 10, 10, 40, 30)], atol=1)


def test_views_of_the_same_size_are_not_seen_twice():
    """At 64 pixels and steps of 32, .83 comes to 64 again; 1.2 too, for 76.8 is nearer to 64."""
    predictor = blob_predictor((64, 64))
    augmented_candidates(predictor, [blob_image(64, 64)])
    assert [shape[2:] for shape in predictor.model.detector.inputs] == [(64, 64), (64, 64)]


def test_images_of_several_shapes_in_a_batch():
    predictor = blob_predictor((256, 256), pad_centred=True)
    images = [blob_image(100, 200, (0, 20, 20, 60, 50)), blob_image(256, 256, (1, 100, 30, 140, 90))]
    found = predictor.select(*augmented_candidates(predictor, images))
    for detections, expected in zip(found, ((20, 20, 60, 50), (100, 30, 140, 90)), strict=True):
        np.testing.assert_allclose(detections.boxes, [expected], atol=2.5)


def test_stages_are_timed():
    watch = Stopwatch()
    augmented_candidates(blob_predictor(), [blob_image(64, 64)], watch)
    assert set(watch.seconds) == {"preprocess", "network"}
