"""Models as flags choose them, and their anchors."""

import pytest

from nets import preset
from nets.anchor_head import TINY_ANCHORS, YOLOV3_ANCHORS
from utils.anchor_file import write_anchors
from utils.model_choice import anchors_of, choose_model


def test_a_name_alone_is_the_model_of_the_zoo():
    assert choose_model("yolox_s") == preset("yolox_s")


def test_parts_and_anchors_are_exchanged(tmp_path):
    (tmp_path / "a.txt").write_text(write_anchors(YOLOV3_ANCHORS[::-1]))
    model = choose_model("yolox_nano", head="anchors", anchors=str(tmp_path / "a.txt"))
    assert (model.head, model.backbone) == ("anchors", "csp_darknet_nano")
    assert anchors_of(model) == YOLOV3_ANCHORS[::-1]


def test_anchors_of_the_models_own_and_the_heads_own():
    assert anchors_of(preset("yolov4_tiny")) == TINY_ANCHORS
    assert anchors_of(preset("yolox_nano", head="anchors")) == YOLOV3_ANCHORS


def test_what_there_is_not(tmp_path):
    (tmp_path / "a.txt").write_text("1,2, 3")
    with pytest.raises(ValueError, match=r"a\.txt has 3 numbers"):
        choose_model("yolov3", anchors=str(tmp_path / "a.txt"))
    with pytest.raises(ValueError, match="--neck takes one of"):
        choose_model("yolov3", neck="none")
    with pytest.raises(
        ValueError, match=r"no anchors that can be chosen: --model takes one of yolov3, .*anchors_v4"
    ):
        anchors_of(preset("yolox_s"))
