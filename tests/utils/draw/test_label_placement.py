"""Places of tags: beside their boxes, within the image, not on each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from utils.draw.label_placement import place_labels

SIZE = (40, 12)  # width and height of a tag


def places(*boxes, height=400, width=600, size=SIZE):
    sizes = np.array([size] * len(boxes)).reshape(-1, 2)
    return place_labels(np.array(boxes, float).reshape(-1, 4), sizes, height, width).tolist()


def shared(first, second):
    """Pixels that two tags have in common."""
    x = min(first[0], second[0]) + SIZE[0] - max(first[0], second[0])
    y = min(first[1], second[1]) + SIZE[1] - max(first[1], second[1])
    return max(0, x) * max(0, y)


def test_a_tag_stands_on_its_box():
    assert places([100, 100, 200, 200]) == [[100, 88]]


def test_a_tag_without_room_above_moves():
    assert places([100, 5, 300, 200]) == [[100, 0]]  # half on the box, of which it hides 280 of 39000 pixels


def test_a_tag_at_the_right_edge_moves_left():
    assert places([590, 100, 599, 200]) == [[560, 88]]  # 600 - 40


def test_equal_boxes_share_no_place():
    tags = places(*[[100, 100, 200, 200]] * 6)
    assert all(shared(tags[i], tags[j]) == 0 for i in range(6) for j in range(i))


def test_the_better_box_chooses_first():
    assert places([100, 100, 200, 200], [100, 100, 200, 200])[0] == [100, 88]


def test_a_small_object_above_is_not_hidden():
    """A box of 30 x 10 lies where the tag would be: it goes to the right edge instead."""
    tag = places([100, 100, 200, 200], [100, 88, 130, 98])[0]
    assert tag == [160, 88]


def test_no_boxes_no_tags():
    assert places() == []


box = st.tuples(*[st.integers(-20, 700)] * 2, *[st.integers(1, 400)] * 2)


@given(st.lists(box, max_size=12), st.tuples(st.integers(1, 300), st.integers(1, 60)))
def test_tags_lie_within_the_image_if_they_fit(boxes, size):
    found = places(*[[x, y, x + w, y + h] for x, y, w, h in boxes], height=200, width=320, size=size)
    assert all(0 <= x <= max(0, 320 - size[0]) and 0 <= y <= max(0, 200 - size[1]) for x, y in found)
