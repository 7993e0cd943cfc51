"""Findings on what the readers did not use or find."""

from tests.utils.doctor.doctor_cases import image_case, kinds, split
from utils.doctor.source_checks import check_sources

BOX = (10, 10, 30, 30)


def test_files_that_belong_to_each_other_give_nothing():
    assert check_sources([split("train", image_case(BOX)), split("val")]) == []


def test_unused_files_are_serious_beyond_one_in_a_hundred():
    (finding,) = check_sources([split("train", image_case(BOX), unused=["labels/b.txt"])])
    assert kinds([finding]) == {"unused-files": (1, "serious", [("train", -1)])}
    assert finding.locations[0].path == "labels/b.txt" and "1 file is not used" in finding.sentence
    (finding,) = check_sources([split("train", *[image_case(BOX)] * 99, unused=["labels/b.txt"])])
    assert finding.severity == "warning"


def test_images_without_a_label_file_are_told():
    (finding,) = check_sources([split("train", image_case(), image_case(BOX), unlabelled=["train0.jpg"])])
    assert kinds([finding]) == {"no-label-file": (1, "warning", [("train", -1)])}


def test_crowds_are_serious_if_most_objects_are():
    few = split("train", image_case(BOX, BOX, crowd=[1, 0]))
    assert kinds(check_sources([few])) == {"crowds": (1, "note", [])}
    all_of_them = split("val", image_case(BOX, crowd=[1]))
    assert kinds(check_sources([few, all_of_them])) == {"crowds": (2, "serious", [])}
