"""All checks together, and what is said of them."""

import json

from tests.utils.doctor.doctor_cases import image_case, split
from utils.doctor.checks import examine, is_healthy, problems_json, report, verdict
from utils.doctor.finding import Finding, Location

BOX = (10, 10, 30, 30)
SERIOUS = Finding(
    "leak", "serious", 2, "Two leak.", "Remove them.", [Location("val", "b.jpg", 0, like="a.jpg")]
)
WARNING = Finding("few", "warning", 1, "One is rare.", "Label more.")
NOTE = Finding(
    "empty", "note", 3, "Three are empty.", "Look.", [Location("train", f"{k}.jpg", k) for k in range(5)]
)


def test_worst_first():
    train = split(
        "train", image_case(BOX, labels=[0]), image_case(), image_case(error="damaged", size=(0, 0))
    )
    findings = examine([train, split("val", image_case(BOX, labels=[1]))], (640, 640))
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=("serious", "warning", "note").index)
    assert {"unreadable", "untrained", "few", "untested", "empty"} == {finding.kind for finding in findings}


def test_verdicts():
    assert verdict([]) == "Ready to train: nothing wrong was found." and is_healthy([])
    assert verdict([WARNING, NOTE, NOTE]) == "Ready to train; 1 warning and 2 notes to look at."
    assert is_healthy([WARNING, NOTE]) and not is_healthy([WARNING, SERIOUS])
    assert verdict([SERIOUS, WARNING]) == (
        "Training would suffer: 1 serious finding to fix first. Also: 1 warning."
    )


def test_report_names_a_few_places():
    text = report([split("train", image_case(BOX)), split("val", image_case())], [SERIOUS, NOTE])
    assert "SERIOUS leak: Two leak.\n  Fix: Remove them.\n    val: b.jpg like a.jpg\n" in text
    assert "    train: 2.jpg\n    and 2 more in problems.json" in text and "3.jpg" not in text
    assert text.splitlines()[1].split() == ["images", "1", "1"] and text.endswith(verdict([SERIOUS, NOTE]))


def test_json_holds_every_place_with_its_boxes():
    train = split("train", image_case(BOX), image_case(BOX, (1.5, 2, 3, 4), labels=[0, 1]))
    box = Finding("tiny", "warning", 1, "s", "f", [Location("train", "train1.jpg", 1, (2,), "why")])
    record = json.loads(problems_json([train, split("val")], [SERIOUS, NOTE, box]))
    assert record["healthy"] is False and record["verdict"] == verdict([SERIOUS, NOTE, box])
    assert [len(finding["places"]) for finding in record["findings"]] == [1, 5, 1]
    assert record["findings"][0]["places"] == [{"split": "val", "file": "b.jpg", "like": "a.jpg"}]
    assert record["findings"][2]["places"] == [
        {
            "split": "train",
            "file": "train1.jpg",
            "detail": "why",
            "boxes": [{"class": "dog", "box": [1.5, 2.0, 3.0, 4.0]}],
        }
    ]
