"""What counting objects shows."""

from tests.utils.doctor.doctor_cases import image_case, kinds, split
from utils.doctor.class_checks import FEW_OBJECTS, check_classes

BOX = (10, 10, 30, 30)


def many(label, number=FEW_OBJECTS):
    return image_case(*[BOX] * number, labels=[label] * number)


def found(*splits):
    return {kind: (number, severity) for kind, (number, severity, _) in kinds(check_classes(splits)).items()}


def test_enough_of_each_class_gives_nothing():
    assert found(split("train", many(0), many(1)), split("val", many(0, 1), many(1, 1))) == {}


def test_a_class_that_is_tested_but_not_trained_is_serious():
    assert found(split("train", many(0)), split("val", many(0), many(1))) == {"untrained": (1, "serious")}


def test_a_class_that_is_trained_but_not_tested():
    assert found(split("train", many(0), many(1)), split("val", many(0))) == {"untested": (1, "warning")}
    assert found(split("train", many(0), many(1))) == {}  # nothing to test on was named


def test_a_class_that_is_nowhere():
    findings = check_classes([split("train", many(0)), split("val", many(0))])
    assert kinds(findings) == {"absent": (1, "warning", [])} and findings[0].sentence.endswith(
        "anywhere: dog."
    )


def test_few_objects_are_named_with_their_number():
    (finding,) = check_classes([split("train", many(0, FEW_OBJECTS - 1), many(1))])
    assert (finding.kind, finding.severity) == (
        "few",
        "warning",
    ) and f"cat ({FEW_OBJECTS - 1})" in finding.sentence


def test_uneven_classes():
    assert found(split("train", many(0, 5000), many(1, 50))) == {}
    (finding,) = check_classes([split("train", many(0, 5050), many(1, 50))])
    assert (finding.kind, finding.severity) == ("uneven", "note")
    assert "101 times" in finding.sentence and "(cat 5,050, dog 50)" in finding.sentence


def test_empty_images():
    half = split("train", many(0), many(1), image_case(), image_case())
    assert kinds(check_classes([half])) == {"empty": (2, "note", [("train", 2), ("train", 3)])}
    more = split("train", many(0), many(1), image_case(), image_case(), image_case())
    assert found(more) == {"empty": (3, "warning")}


def test_no_object_at_all_is_serious():
    result = found(split("train", many(0), many(1)), split("val", image_case()))
    assert result["no-objects"] == (1, "serious")


def test_names_that_the_class_list_lacks():
    splits = [split(name, many(0), many(1), unknown_names={"bird": 2}) for name in ("train", "val")]
    (finding,) = check_classes(splits)
    assert (finding.kind, finding.number) == ("unknown-names", 4) and "bird (4)" in finding.sentence


def test_long_lists_of_classes_are_cut():
    names = [f"name{k}" for k in range(15)]
    (finding,) = check_classes([split("train", many(0), classes=names)])
    assert (
        "14 classes have no object anywhere" in finding.sentence and "name10 and 4 more" in finding.sentence
    )
