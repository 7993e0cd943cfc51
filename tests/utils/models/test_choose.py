"""A model as the flags choose it, and anchors as text, there and back."""

import pytest

from nets import preset
from nets.heads.anchor_head import TINY_ANCHORS, YOLOV3_ANCHORS, YOLOV4_ANCHORS
from utils.models.choose import anchors_of, anchors_text, choose_model, read_anchors


@pytest.mark.parametrize("anchors", [YOLOV4_ANCHORS, TINY_ANCHORS, (((0.5, 2.25),),)])
def test_what_is_written_is_read(tmp_path, anchors):
    (tmp_path / "a.txt").write_text(anchors_text(anchors))
    assert read_anchors(tmp_path / "a.txt", len(anchors)) == anchors


def test_any_spacing_is_read(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeff10,13,  16,30\n33,23 , 30 61\n\n", encoding="utf-8")
    assert read_anchors(tmp_path / "a.txt", 2) == (((10, 13), (16, 30)), ((33, 23), (30, 61)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 numbers"),
        ("1,2, 3,4, 5,6", "has 6 numbers: .* same number of anchors for each of the 2 levels"),
        ("1,2, 3", "has 3 numbers"),
        ("1,2, 3,x", "'x' is not a number"),
        ("1,2, 3,0", "must be above 0, not 0"),
        ("1,2, 3,nan", "must be above 0, not nan"),
        ("1,2, 3,inf", "must be above 0, not inf"),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_anchors(tmp_path / "a.txt", 2)


def test_the_form_of_the_file():
    assert anchors_text((((10, 13), (16.5, 30)),)) == "10,13,  16.5,30\n"


def test_a_name_alone_is_the_model_of_the_zoo():
    assert choose_model("yolox_s") == preset("yolox_s")


def test_parts_and_anchors_are_exchanged(tmp_path):
    (tmp_path / "a.txt").write_text(anchors_text(YOLOV3_ANCHORS[::-1]))
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
