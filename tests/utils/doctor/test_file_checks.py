"""Each fault of a file is caused once."""

import pytest

from tests.utils.doctor.doctor_cases import kinds, picture, split
from utils.doctor.file_checks import check_files, exif_fit
from utils.doctor.image_facts import MISSING

BOX = (10, 10, 30, 30)
LOW = (10, 85, 30, 95)  # fits a picture 100 high and 80 wide
WIDE = (85, 10, 95, 30)  # fits one 80 high and 100 wide
TURNED = {"orientation": 6, "size": (100, 80)}  # stored 80 high and 100 wide


def test_sound_files_give_nothing():
    assert check_files([split("train", picture(BOX, stated=(80, 100)), picture(BOX, mode="L"))]) == []


def test_missing_and_unreadable():
    gone, cut = ({"error": error, "size": (0, 0)} for error in (MISSING, "damaged picture"))
    splits = [split("train", picture(BOX), picture(BOX, **gone)), split("val", picture(stated=(1, 2), **cut))]
    found = check_files(splits)
    assert kinds(found) == {
        "missing": (1, "serious", [("train", 1)]),
        "unreadable": (1, "serious", [("val", 0)]),
    }
    assert found[1].places[0].detail == "damaged picture"
    assert found[0].sentence.startswith("1 picture does not exist (train 1)")


def test_a_size_that_is_not_the_one_stated():
    sound = [picture(BOX, stated=(80, 100))] * 99
    wrong = picture(BOX, stated=(160, 200))
    (finding,) = check_files([split("train", *sound, wrong)])
    assert kinds([finding]) == {"wrong-size": (1, "warning", [("train", 99)])}  # 1 of 100
    assert finding.places[0].detail == "200 x 160 stated, 100 x 80 in truth"
    assert check_files([split("train", *sound[1:], wrong)])[0].severity == "serious"  # 1 of 99


@pytest.mark.parametrize(
    ("image", "fit"),
    [
        (picture(LOW, **TURNED), "turned"),
        (picture(WIDE, **TURNED), "un-turned"),
        (picture(WIDE, stated=(80, 100), **TURNED), "un-turned"),
        (picture(BOX, stated=(80, 100), **TURNED), "stated"),
        (picture(BOX, stated=(100, 80), **TURNED), "turned"),
        (picture(BOX, **TURNED), "either"),
        (picture(BOX, orientation=3), "either"),  # upside down has the same size
        (picture(WIDE, LOW, **TURNED), "either"),  # fits neither
        (picture(**TURNED), ""),  # nothing is misplaced without a box
        (picture(WIDE), ""),
        (picture(BOX, error="damaged", orientation=6), ""),
    ],
)
def test_which_picture_boxes_were_drawn_on(image, fit):
    assert exif_fit(split("train", image), 0) == fit


def test_exif_findings():
    images = [picture(LOW, **TURNED), picture(WIDE, stated=(80, 100), **TURNED)]
    images += [picture(BOX, stated=(80, 100), **TURNED), picture(BOX, orientation=3)]
    assert kinds(check_files([split("train", *images)])) == {
        "exif-un-turned": (1, "serious", [("train", 1)]),
        "exif-stated": (1, "warning", [("train", 2)]),
        "exif-either": (1, "note", [("train", 3)]),
    }


def test_modes_and_names():
    images = [picture(mode="CMYK"), picture(mode="I;16", format="PNG"), picture(format="MPO"), picture()]
    assert kinds(check_files([split("train", *images)])) == {
        "odd-mode": (2, "note", [("train", 0), ("train", 1)]),
        "wrong-suffix": (1, "note", [("train", 1)]),
    }
