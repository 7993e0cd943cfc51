"""A weights file and an image give detections, however they are handed over."""

import numpy as np
import pytest
import torch

from tests.utils.predict.predictions import CPU, NAMES, same
from utils.data.detections import Detections
from utils.images.image_io import ImageError, read_image
from utils.predict.predictor import Predictor, explain_empty
from utils.predict.settings import PredictSettings
from utils.system.stopwatch import Stopwatch
from utils.weights.checkpoint import load_checkpoint, store_thresholds
from utils.weights.thresholds import Thresholds


def test_a_checkpoint_says_all_that_is_needed(predictor):
    assert predictor.class_names == NAMES
    assert predictor.model.model_name == "yolox_nano" and predictor.model.image_size == (64, 96)


def test_path_text_and_array_are_the_same(predictor, folder):
    path = folder / "1.png"
    found = predictor(path)
    assert isinstance(found, Detections) and 0 < len(found) <= 20
    assert same(found, predictor(str(path))) and same(found, predictor(read_image(path)))
    assert not same(found, predictor(folder / "0.png"))


def test_a_list_gives_a_list_of_the_same(predictor, folder):
    paths = [folder / f"{k}.png" for k in range(3)]
    assert same(predictor([paths[1]])[0], predictor(paths[1]))
    together = predictor(paths)
    assert len(together) == 3
    for path, found in zip(paths, together, strict=True):
        single = predictor(path)
        np.testing.assert_allclose(found.scores, single.scores, rtol=1e-4)
        assert found.best_label == single.best_label
    assert predictor([]) == []


def test_boxes_lie_within_the_original_image(predictor):
    found = predictor(np.random.default_rng(0).integers(0, 256, (300, 100, 3), dtype=np.uint8))
    assert (found.boxes >= 0).all() and (found.boxes <= [100, 300, 100, 300]).all()
    assert found.boxes[:, 3].max() > 100, "in pixels of the image, which is higher than the input"


def test_an_unreadable_image_is_named(predictor, folder):
    with pytest.raises(ImageError, match=r"nowhere\.png"):
        predictor(folder / "nowhere.png")


def test_why_nothing_was_found(folder):
    found = Predictor(folder / "best.pt", confidence=0.9, **CPU)(folder / "0.png")
    assert len(found) == 0 and found.best_score > 0
    # 64 x 96 has 8 * 12 + 4 * 6 + 2 * 3 = 126 cells.
    text = explain_empty(found, [0.9] * 3, NAMES)
    assert text.startswith("0 of 126 candidates reached confidence 0.9; the best was 0.0")
    assert text.endswith(f"({NAMES[found.best_label]})")
    by_hand = Detections(*vars(Detections.empty()).values())
    by_hand = Detections(by_hand.boxes, by_hand.scores, by_hand.labels, 0.314, 0, 99)
    expected = "0 of 99 candidates reached confidence 0.5; the best was 0.31 (杯子)"
    assert explain_empty(by_hand, [0.5, 0.6, 0.7], NAMES) == expected


def test_stored_thresholds_decide_unless_a_number_is_given(folder):
    path = folder / "stored.pt"
    content = load_checkpoint(folder / "best.pt")
    for name, value in content["model"].items():
        if "_preds" in name:  # scores of a fresh head are all alike
            value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    torch.save(content, path)
    everything = Predictor(path, confidence=0.0, max_detections=20, **CPU)(folder / "0.png")
    middle = float(np.median(everything.scores))
    by_class = [middle, middle, middle]
    by_class[everything.labels[0]] = 1.0  # nothing reaches it
    store_thresholds(path, Thresholds(middle, tuple(by_class)))
    expected = {
        None: everything.above(middle),
        "best": everything.above(middle),
        "best-by-class": everything.above(by_class),
        0.0: everything,
    }
    for asked, found in expected.items():
        stored = Predictor(path, confidence=asked, max_detections=20, **CPU)
        assert same(stored(folder / "0.png"), found)
    assert len(expected["best-by-class"]) < len(expected["best"]) < len(everything)
    assert Predictor(folder / "best.pt", **CPU).confidences == (0.5,) * 3
    with pytest.raises(ValueError, match="hold no thresholds"):
        Predictor(folder / "best.pt", confidence="best", **CPU)


def test_only_some_classes_are_looked_for(folder, predictor):
    """A candidate whose best class is another one counts for the best of those that are wanted."""
    some = Predictor(folder / "best.pt", confidence=0.0, max_detections=20, only=["right", "杯子"], **CPU)
    found, all_found = some(folder / "0.png"), predictor(folder / "0.png")
    assert 1 in all_found.labels and set(found.labels.tolist()) == {0, 2}
    assert found.best_label in (0, 2) and found.best_score <= all_found.best_score
    with pytest.raises(ValueError, match="--only: there is no class cat; there are 杯子, left, right"):
        Predictor(folder / "best.pt", only=["cat"], **CPU)


def test_a_class_has_a_threshold_of_its_own(folder, predictor):
    everything = predictor(folder / "0.png")
    own = {"left": float(np.median(everything.scores)), "right": 1.0}
    some = Predictor(folder / "best.pt", confidence=0.0, max_detections=20, class_confidence=own, **CPU)
    assert same(some(folder / "0.png"), everything.above([0.0, own["left"], 1.0]))
    with pytest.raises(ValueError, match="--class-confidence: there is no class cat"):
        Predictor(folder / "best.pt", class_confidence={"cat": 0.5}, **CPU)
    with pytest.raises(ValueError, match="--class-confidence left=50: it is between 0 and 1"):
        Predictor(folder / "best.pt", class_confidence={"left": 50}, **CPU)


def test_stages_are_timed(predictor, folder):
    watch = Stopwatch()
    predictor.detect([folder / "0.png"], watch)
    assert list(watch.seconds) == ["preprocess", "network", "NMS"]


def test_rectangular_inputs_are_cut_to_the_images(folder):
    flat = np.full((20, 90, 3), 99, np.uint8)  # on 64 x 96: 21 x 96, so 32 x 96
    cut = Predictor(folder / "best.pt", confidence=0.0, rectangular=True, **CPU)
    assert cut.detect([flat])[0].candidates == (4 * 12) + (2 * 6) + 3
    assert cut.letterboxed([flat, flat[:, :20]])[0].shape == (2, 3, 64, 96)


def test_thresholds_are_checked(folder):
    with pytest.raises(ValueError, match="--confidence"):
        Predictor(folder / "best.pt", confidence=50, **CPU)(folder / "0.png")


def test_the_keywords_are_the_fields_of_the_settings(predictor, folder):
    settings = PredictSettings(folder / "best.pt", confidence=0.0, max_detections=20, **CPU)
    assert same(Predictor(**vars(settings))(folder / "0.png"), predictor(folder / "0.png"))
    with pytest.raises(TypeError, match="unexpected keyword argument 'nms'"):
        Predictor(folder / "best.pt", nms=0.5)


def test_values_are_in_their_ranges(folder):
    with pytest.raises(
        ValueError,
        match=r"--nms-iou must be from 0 to 1, not 1\.5\n.*--max-detections must be at least 1, not 0",
    ):
        Predictor(folder / "best.pt", nms_iou=1.5, max_detections=0)
