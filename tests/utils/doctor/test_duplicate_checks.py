"""Copies within and across splits."""

import cv2
import numpy as np

from tests.utils.doctor.doctor_cases import image_case, kinds, split
from utils.doctor.duplicate_checks import check_copies


def scene_image(scene, saved=0, **facts):
    """An image of that scene; the same scene saved again has other bytes and nearly the same pixels."""
    rng = np.random.default_rng(scene)
    small = rng.integers(0, 240, (6, 6), dtype=np.uint8)
    thumbnail = cv2.resize(small, (32, 32), interpolation=cv2.INTER_LINEAR) + saved
    return image_case(digest=f"{scene} {saved}".encode(), thumbnail=thumbnail.astype(np.uint8), **facts)


def moved(scene):
    """The scene with something in it that was not there."""
    record, facts = scene_image(scene, 1)
    thumbnail = facts.thumbnail.copy()
    thumbnail[12:14, 12:14] = 255 - thumbnail[12:14, 12:14]
    return record, facts._replace(digest=b"moved", thumbnail=thumbnail)


def test_different_images_give_nothing():
    assert check_copies([split("train", scene_image(1), scene_image(2)), split("val", scene_image(3))]) == []


def test_copies_within_a_split():
    splits = [
        split("train", scene_image(1), scene_image(2), scene_image(1), scene_image(2, 1), scene_image(3)),
        split("val", scene_image(4), scene_image(4)),
    ]
    found = check_copies(splits)
    assert kinds(found) == {
        "copies": (2, "warning", [("train", 2), ("val", 1)]),
        "near-copies": (1, "note", [("train", 3)]),
    }
    assert found[0].locations[0].like == "train0.jpg" and found[1].locations[0].like == "train1.jpg"


def test_leaks_are_of_the_later_split():
    splits = [
        split("train", scene_image(1), scene_image(2), scene_image(3)),
        split("val", scene_image(2, 1), scene_image(5), scene_image(1)),
    ]
    found = check_copies(splits)
    assert kinds(found) == {
        "leak": (1, "serious", [("val", 2)]),
        "near-leak": (1, "serious", [("val", 0)]),
    }
    assert (
        "Of val, 1 image is also in train: this data leakage makes metrics measured on val"
        in found[0].sentence
    )


def mirror(scene):
    record, facts = scene_image(scene)
    return record, facts._replace(
        digest=f"mirror {scene}".encode(), thumbnail=np.ascontiguousarray(facts.thumbnail[:, ::-1])
    )


def test_mirrored_copies_are_near_duplicates():
    train = split("train", scene_image(1), mirror(2), scene_image(2))
    assert kinds(check_copies([train, split("val", mirror(1))])) == {
        "near-copies": (1, "note", [("train", 2)]),
        "near-leak": (1, "serious", [("val", 0)]),
    }


def test_where_labels_differ_the_images_are_looked_at_more_closely(monkeypatch):
    """The piece in the middle is another in the first of val, and was forgotten in the second."""
    plain = cv2.resize(np.random.default_rng(1).integers(0, 240, (6, 6, 3), dtype=np.uint8), (320, 320))
    other = plain.copy()
    other[150:160, 150:160] = 255 - other[150:160, 150:160]
    shown = {"train0.jpg": plain, "val0.jpg": other, "val1.jpg": plain, "val2.jpg": other}
    monkeypatch.setattr("utils.doctor.duplicate_checks.read_image", lambda path: shown[str(path)])
    boxes = [(1, 1, 9, 9), (20, 20, 30, 30)]
    train = image_case(*boxes, labels=[0, 1], digest=b"train", thumbnail=scene_image(1)[1].thumbnail)
    val = [
        image_case(
            *boxes[: len(labels)], labels=labels, digest=b"%d" % k, thumbnail=scene_image(1)[1].thumbnail
        )
        for k, labels in enumerate(([1, 1], [1], [1, 0]))
    ]
    found = check_copies([split("train", train), split("val", *val)])
    assert kinds(found)["near-leak"] == (2, "serious", [("val", 1), ("val", 2)])
    assert kinds(found)["same-scene"] == (1, "warning", [("val", 0)])
    assert [location.detail for location in found[-2].locations] == ["their labels differ", ""]


def test_every_pair_of_splits_is_compared():
    splits = [
        split("train", scene_image(1)),
        split("val", scene_image(2)),
        split("test", scene_image(2), scene_image(1)),
    ]
    found = check_copies(splits)
    assert [(f.kind, f.locations[0].image_number, f.locations[0].like) for f in found] == [
        ("leak", 1, "train0.jpg"),
        ("leak", 0, "val0.jpg"),
    ]


def test_one_near_duplicate_of_hundreds_is_a_warning():
    others = [scene_image(scene) for scene in range(100, 199)]
    (finding,) = check_copies([split("train", scene_image(1)), split("val", scene_image(1, 1), *others)])
    assert (finding.kind, finding.severity) == ("near-leak", "warning")


def test_the_same_scene_is_told_apart():
    found = check_copies([split("train", scene_image(1)), split("val", moved(1), scene_image(2))])
    assert kinds(found) == {"same-scene": (1, "warning", [("val", 0)])}


def test_unreadable_files_are_copies_of_none():
    broken = image_case(error="damaged", size=(0, 0))
    assert check_copies([split("train", broken, broken), split("val", broken)]) == []
