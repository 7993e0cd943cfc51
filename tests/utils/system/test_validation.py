"""Values, packages and files: all that is wrong is named at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.system.validation import Preflight, check_image_size, require_packages


def test_nothing_wrong():
    preflight = Preflight()
    with preflight.check():
        value = 1
    preflight.finish()
    assert value == 1


def test_one_problem_keeps_its_own_words():
    preflight = Preflight()
    with preflight.check():
        raise ValueError("a.txt is empty")
    with pytest.raises(ValueError, match=r"^a\.txt is empty$"):
        preflight.finish()


def test_several_problems_are_numbered_and_the_code_goes_on():
    preflight = Preflight()
    reached = []
    for number in range(3):
        with preflight.check():
            reached.append(number)
            if number != 1:
                raise (ValueError if number else FileNotFoundError)(f"problem {number}")
    assert reached == [0, 1, 2]
    with pytest.raises(ValueError) as error:
        preflight.finish()
    assert str(error.value) == "2 problems to fix before this can run:\n  1. problem 0\n  2. problem 2"


def test_a_defect_of_ours_is_not_swallowed():
    with pytest.raises(ZeroDivisionError), Preflight().check():
        1 / 0  # noqa: B018


@pytest.mark.parametrize(
    ("size", "side", "nearest"),
    [
        ((100, 64), "height", "96 or 128"),
        ((64, 431), "width", "416 or 448"),
        ((33, 32), "height", "32 or 64"),
        ((31, 64), "height", "are 32$"),
        ((0, 64), "height", "are 32$"),
        ((64, -32), "width", "are 32$"),
    ],
)
def test_image_sizes_refused_with_the_nearest_that_fit(size, side, nearest):
    with pytest.raises(ValueError, match=f"--image-size {size[0]} {size[1]}: the {side} .*{nearest}"):
        check_image_size(size, 32)


def test_an_image_size_below_the_least_is_refused():
    check_image_size((268, 300), 1, 268)
    with pytest.raises(ValueError, match="--image-size 300 267: the width must be at least 268 for this"):
        check_image_size((300, 267), 1, 268)


@given(st.integers(1, 50), st.integers(1, 50), st.sampled_from([8, 32, 64]))
def test_multiples_are_accepted(rows, columns, stride):
    check_image_size((rows * stride, columns * stride), stride)


def test_what_is_missing_is_to_be_installed():
    require_packages("--format onnx", "json", "torch")
    with pytest.raises(ValueError, match=r"--format onnx needs .*: pip install no_such_package$"):
        require_packages("--format onnx", "json", "no_such_package")
