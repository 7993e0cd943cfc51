"""Findings on boxes: number, severity, and where."""

from tests.utils.doctor.doctor_cases import image_case, kinds, split
from utils.data.notes import Problem
from utils.doctor.label_checks import check_labels

BOX = (10, 10, 30, 30)
SIZE = (640, 640)


def test_sound_boxes_give_nothing():
    assert check_labels([split("train", image_case(BOX, (40, 40, 60, 70)), image_case())], SIZE) == []


def test_what_readers_left_out():
    problems = [
        Problem("a.xml", "box 9, 9, 1, 1 is inverted"),
        Problem("b.xml", "unreadable XML; image skipped"),
    ]
    (finding,) = check_labels([split("train", image_case(BOX), problems=problems)], SIZE)
    assert kinds([finding]) == {"broken-labels": (2, "serious", [("train", -1), ("train", -1)])}
    assert "2 annotations are broken (inverted 1, other 1)" in finding.sentence
    many = split("train", *[image_case(BOX)] * 198, problems=problems)
    assert check_labels([many], SIZE)[0].severity == "warning"  # 2 of 200


def test_boxes_that_the_reader_has_cut():
    assert kinds(check_labels([split("train", *[image_case(BOX)] * 100, clipped=1)], SIZE)) == {
        "clipped": (1, "note", [])
    }
    (finding,) = check_labels([split("train", *[image_case(BOX)] * 99, clipped=1), split("val")], SIZE)
    assert (
        finding.severity == "warning" and "1 box is clipped at the image border (train 1)" in finding.sentence
    )


def test_each_fault_of_boxes_is_found_where_it_is():
    images = [
        image_case(BOX, (50, 50, 120, 70)),
        image_case(BOX, BOX),
        image_case(BOX, BOX, labels=[0, 1]),
        image_case((5, 5, 6, 30), BOX),
        image_case((0, 0, 100, 80)),
    ]
    found = check_labels([split("train", *images), split("val", image_case(BOX))], SIZE)
    assert kinds(found) == {
        "beyond": (1, "serious", [("train", 0)]),
        "doubled": (1, "serious", [("train", 1)]),
        "conflicting": (2, "serious", [("train", 2)]),
        "tiny": (1, "serious", [("train", 3)]),
        "whole-picture": (1, "note", [("train", 4)]),
    }
    assert [f.locations[0].boxes for f in found] == [(1,), (3,), (4, 5), (6,), (8,)]
    assert found[0].sentence.startswith("1 box reaches beyond the image border (train 1)")


def test_boxes_are_told_by_image():
    images = [image_case(BOX), image_case(BOX, BOX, BOX), image_case(), image_case((0, 0, 9, 9), BOX, BOX)]
    (finding,) = check_labels([split("train", *images)], SIZE)
    assert [(location.image_number, location.boxes) for location in finding.locations] == [
        (1, (2, 3)),
        (3, (6,)),
    ]


def test_crowds_are_not_judged():
    assert check_labels([split("train", image_case((0, 0, 100, 80), crowd=[1]))], SIZE) == []


def test_few_wrong_boxes_are_a_warning():
    found = check_labels([split("train", *[image_case(BOX)] * 99, image_case((50, 50, 120, 70)))], SIZE)
    assert kinds(found) == {"beyond": (1, "warning", [("train", 99)])}


def test_many_small_boxes_at_the_size_of_training():
    # 6 pixels of 100 become 38 at 640 and 3.8 at 64; 20 become 12.8.
    images = [image_case((10, 10, 16, 16), *[(10 + k, 10, 30 + 9 * k, 30) for k in range(8)])]
    assert "small" not in kinds(check_labels([split("train", *images)], SIZE))
    found = kinds(check_labels([split("train", *images)], (64, 64)))
    assert found["small"] == (1, "warning", [])  # 1 of 9
