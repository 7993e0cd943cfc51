"""Names of results: unlike whatever the images are called, and in the folders of the images."""

import unicodedata
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.images.output_names import class_folders, names_below, output_names
from utils.system.files import safe_file_name, short_name


def test_a_stem_of_its_own_is_the_name():
    assert output_names([Path("a/x.jpg"), Path("b/y.png")]) == ["x", "y"]


def test_folders_tell_equal_stems_apart():
    assert output_names([Path("in/a/x.jpg"), Path("in/b/x.jpg"), Path("in/b/y.jpg")]) == ["a_x", "b_x", "y"]


def test_extensions_tell_equal_stems_apart():
    assert output_names([Path("x.jpg"), Path("x.png")]) == ["x_jpg", "x_png"]


def test_folders_and_extensions_together():
    assert output_names([Path("a/x.jpg"), Path("b/x.jpg"), Path("x.png")]) == ["a_x", "b_x", "x"]


def test_case_alone_does_not_tell_apart():
    names = output_names([Path("a/X.jpg"), Path("b/x.jpg")])
    assert names == ["a_X", "b_x"]


def test_a_longer_name_that_is_taken_already():
    # a/x and b/x become a_x and b_x, but a_x is the stem of a third; all three must end up apart.
    names = output_names([Path("a/x.jpg"), Path("b/x.jpg"), Path("a_x.jpg")])
    assert len(set(names)) == 3
    assert all(name.startswith(("a_x", "b_x")) for name in names)


def test_no_images_no_names():
    assert output_names([]) == []


part = st.sampled_from(["a", "A", "x", "a_x", "x_jpg", "x-2", "ä", "a\u0308"])
some_paths = st.lists(
    st.tuples(st.lists(part, max_size=2), part, st.sampled_from([".jpg", ".JPG", ".png"])),
    unique_by=str,
    max_size=8,
).map(lambda found: [Path("in", *folders, stem + suffix) for folders, stem, suffix in found])


@given(some_paths, st.randoms())
def test_names_are_unique_and_do_not_depend_on_the_order(paths, random):
    names = output_names(paths)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(paths)
    assert all("/" not in name and name for name in names)
    shuffled = list(paths)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, output_names(shuffled), strict=True)) == dict(zip(paths, names, strict=True))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b", "a_b"),
        ("..", "_"),
        ("c:d?", "c_d_"),
        ("猫 1", "猫 1"),
        ("", "_"),
        ("end. .", "end"),
        ("a\x1b[31m\n\x7f", "a_[31m__"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1 .x", "_com1 .x"),
        ("LPT²", "_LPT²"),
        ("console", "console"),
        ("com10", "com10"),
    ],
)
def test_class_names_that_are_no_file_names(name, safe):
    assert safe_file_name(name) == safe


@given(st.text(max_size=400))
def test_any_class_name_becomes_a_file_name(name):
    safe = safe_file_name(name)
    assert 0 < len(safe.encode("utf-8", "surrogatepass")) <= 230
    assert not set(safe) & set('<>:"/\\|?*\0\n') and safe.strip(" .") == safe
    assert safe_file_name(safe) == safe


def test_long_names_stay_distinct_and_whole_characters_remain():
    first, second = short_name("猫" * 90 + "1"), short_name("猫" * 90 + "2")
    assert first != second and first.startswith("猫" * 70) and len(first.encode()) <= 230
    assert short_name("x" * 230) == "x" * 230
    assert len(short_name("x" * 251, 4)) == 251 and len(short_name("x" * 252, 4)) == 251


def test_folders_of_classes_are_distinct():
    names = ("a:b", "a_b", "a/b", "Cat", "cat", "x" * 300, "x" * 301, "NUL")
    folders = class_folders(names)
    assert folders[:5] == ["a_b-3", "a_b", "a_b-2", "Cat", "cat-2"] and folders[-1] == "_NUL"
    assert len({folder.casefold() for folder in folders}) == len(names)


def test_long_names_of_images_are_shortened():
    long, folder = "x" * 251, "y" * 255
    first, second = below(f"{folder}/{long}.jpg", f"{folder}/{long[:-1]}z.jpg")
    assert first != second and first.startswith(f"{folder}/xxx") and len(first) == 255 + 1 + 230
    assert output_names([Path(f"{long}.jpg"), Path("b.jpg")])[1] == "b"
    assert len(output_names([Path(f"a/{long}.jpg"), Path(f"b/{long}.jpg")])[0]) == 230


def below(*places, sources=None, taken=()):
    sources = sources or [f"in/{place}" for place in places]
    return names_below(sources, [PurePath(place) for place in places], taken)


def test_folders_are_kept():
    assert below("a.jpg", "sub/a.jpg", "sub/deep er/b.png") == ["a", "sub/a", "sub/deep er/b"]


def test_only_where_extensions_alone_differ_they_become_part_of_the_name():
    assert below("a.jpg", "a.png", "b.jpg", "sub/a.jpg") == ["a_jpg", "a_png", "b", "sub/a"]


def test_images_of_several_folders_get_these_folders():
    names = below("x.jpg", "x.jpg", "y.jpg", sources=["in/one/x.jpg", "in/two/x.jpg", "in/two/y.jpg"])
    assert names == ["one/x", "two/x", "y"]


def test_folders_of_other_results_are_left_to_them():
    assert below("labels/a.jpg", "Crops/key/a_000.jpg", "labels.jpg") == [
        "labels_/a",
        "Crops_/key/a_000",
        "labels",
    ]
    names = below("labels/a.jpg", "labels_/a.jpg")
    assert len(set(names)) == 2 and not any(name.startswith("labels/") for name in names)


def test_names_of_earlier_images_are_taken():
    assert below("a.jpg", taken=["a"]) == ["a_jpg"]
    assert below("a.jpg", taken=["a", "A_jpg"]) == ["a_jpg-2"]


def test_addresses_are_told_apart_by_host_and_folders():
    sources = [
        "https://one.org/a%20b/x.jpg",
        "https://two.org/x.jpg?size=2",
        "https://one.org/y.jpg",
        "in/z.jpg",
    ]
    names = names_below(sources, [PurePath(name) for name in ("x.jpg", "x.jpg", "y.jpg", "z.jpg")])
    assert names == ["one.org/a b/x", "two.org/x", "y", "z"]
    same = ["https://one.org/x.jpg?1", "https://one.org/x.jpg?2"]
    assert names_below(same, [PurePath("x.jpg")] * 2) == ["one.org/x_jpg", "one.org/x_jpg-2"]


@given(some_paths, st.randoms(), st.integers(0, 2))
def test_names_below_are_unique_and_do_not_depend_on_the_order(paths, random, depth):
    """Whatever part of their folders was named: `in`, or a folder below."""
    places = [PurePath(*path.parts[min(depth + 1, len(path.parts) - 1) :]) for path in paths]
    images = list(zip(map(str, paths), places, strict=True))
    names = below(*places, sources=[*map(str, paths)])
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(paths)
    random.shuffle(images)
    again = names_below([source for source, _ in images], [place for _, place in images])
    assert dict(zip(images, again, strict=True)) == dict(
        zip(zip(map(str, paths), places, strict=True), names, strict=True)
    )
