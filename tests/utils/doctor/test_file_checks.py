"""Each fault of a file is caused once."""

import pytest

from tests.utils.doctor.doctor_cases import image_case, kinds, split
from utils.doctor.file_checks import check_files, exif_fits
from utils.doctor.image_facts import NO_SUCH_FILE

BOX = (10, 10, 30, 30)
LOW = (10, 85, 30, 95)  # fits an image 100 high and 80 wide
WIDE = (85, 10, 95, 30)  # fits one 80 high and 100 wide
TURNED = {"orientation": 6, "size": (100, 80)}  # stored 80 high and 100 wide


def test_sound_files_give_nothing():
    assert check_files([split("train", image_case(BOX, stated=(80, 100)), image_case(BOX, mode="L"))]) == []


def test_missing_and_unreadable():
    gone, cut = ({"error": error, "size": (0, 0)} for error in (NO_SUCH_FILE, "damaged image"))
    splits = [
        split("train", image_case(BOX), image_case(BOX, **gone)),
        split("val", image_case(stated=(1, 2), **cut)),
    ]
    found = check_files(splits)
    assert kinds(found) == {
        "missing": (1, "serious", [("train", 1)]),
        "unreadable": (1, "serious", [("val", 0)]),
    }
    assert found[1].locations[0].detail == "damaged image"
    assert found[0].sentence.startswith("1 image does not exist (train 1)")


def test_a_missing_end_marker_is_a_note():
    found = check_files([split("train", image_case(BOX), image_case(BOX, lacks_end=True))])
    assert kinds(found) == {"no-end-marker": (1, "note", [("train", 1)])}


def test_a_size_that_is_not_the_one_stated():
    sound = [image_case(BOX, stated=(80, 100))] * 99
    wrong = image_case(BOX, stated=(160, 200))
    (finding,) = check_files([split("train", *sound, wrong)])
    assert kinds([finding]) == {"wrong-size": (1, "warning", [("train", 99)])}  # 1 of 100
    assert finding.locations[0].detail == "200 x 160 stated, 100 x 80 in the file"
    assert check_files([split("train", *sound[1:], wrong)])[0].severity == "serious"  # 1 of 99


@pytest.mark.parametrize(
    ("image", "fit"),
    [
        (image_case(LOW, **TURNED), "turned"),
        (image_case(WIDE, **TURNED), "un-turned"),
        (image_case(WIDE, stated=(80, 100), **TURNED), "un-turned"),
        (image_case(BOX, stated=(80, 100), **TURNED), "stated"),
        (image_case(BOX, stated=(100, 80), **TURNED), "turned"),
        (image_case(BOX, **TURNED), "either"),
        (image_case(BOX, orientation=3), "either"),  # upside down has the same size
        (image_case(WIDE, LOW, **TURNED), "either"),  # fits neither
        (image_case(**TURNED), ""),  # nothing is misplaced without a box
        (image_case(WIDE), ""),
        (image_case(BOX, error="damaged", orientation=6), ""),
    ],
)
def test_which_image_boxes_were_drawn_on(image, fit):
    assert exif_fits(split("train", image)) == [fit]


def test_exif_findings():
    images = [image_case(LOW, **TURNED), image_case(WIDE, stated=(80, 100), **TURNED)]
    images += [image_case(BOX, stated=(80, 100), **TURNED), image_case(BOX, orientation=3)]
    assert kinds(check_files([split("train", *images)])) == {
        "exif-un-turned": (1, "serious", [("train", 1)]),
        "exif-stated": (1, "warning", [("train", 2)]),
        "exif-either": (1, "note", [("train", 3)]),
    }


def test_modes_and_names():
    images = [
        image_case(mode="CMYK"),
        image_case(mode="I;16", format="PNG"),
        image_case(format="MPO"),
        image_case(),
    ]
    assert kinds(check_files([split("train", *images)])) == {
        "odd-mode": (2, "note", [("train", 0), ("train", 1)]),
        "wrong-suffix": (1, "note", [("train", 1)]),
    }
