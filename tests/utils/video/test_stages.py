"""Frames go through the stages in order, none lost or doubled, whatever is detected on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.utils.video.video_cases import Finder, numbered
from utils.system.stopwatch import Stopwatch
from utils.video.capture import FALLBACK_RATE, VideoSource
from utils.video.stages import detected, drawn, read, undrawn


def source_of(number):
    source = VideoSource("test", (96, 160), FALLBACK_RATE, number, False)
    source.frames = ((k / 25, numbered(k)) for k in range(number))
    return source


@given(
    number=st.integers(0, 25), most=st.integers(0, 30), every=st.integers(1, 6), batch_size=st.integers(1, 5)
)
@settings(max_examples=60, deadline=None)
def test_every_frame_once_in_order_with_the_boxes_of_the_last_detected_on(number, most, every, batch_size):
    finder, watch = Finder(), Stopwatch()
    frames = read(source_of(number), most, watch)
    found = [*detected(frames, finder, every, batch_size, None, watch)]
    expected = min(number, most or number)
    assert [frame.number for frame, _ in found] == [*range(expected)]
    assert [frame.seconds for frame, _ in found] == [k / 25 for k in range(expected)]
    assert finder.seen == [*range(0, expected, every)]
    assert all(len(batch) == batch_size for batch in finder.batches[:-1])
    for frame, tracked in found:
        assert tracked.detections.boxes[0, 0] == 20 + frame.number // every * every


def test_frames_between_do_not_wait_for_a_batch():
    """Frame 1 comes before frame 2 is asked for: a live image must not lag."""
    source, asked = source_of(5), []
    source.frames = (asked.append(k) or (k / 25, numbered(k)) for k in range(5))
    found = detected(read(source, 0, Stopwatch()), Finder(), 2, 1, None, Stopwatch())
    for k in range(5):
        assert next(found)[0].number == k == asked[-1]


def test_boxes_are_drawn_on_a_copy():
    def found():
        return detected(read(source_of(2), 0, Stopwatch()), Finder(), 1, 1, None, Stopwatch())

    watch = Stopwatch()
    for frame, _, image in drawn(found(), Finder.class_names, None, watch):
        assert np.array_equal(frame.image, numbered(frame.number))
        changed = np.abs(image.astype(int) - frame.image).max(-1) > 40
        assert changed[48:82, 18:64].any() and not changed[:16].any()
    assert list(watch.seconds) == ["draw"]
    assert all(image is frame.image for frame, _, image in undrawn(found()))


def test_closing_closes_the_source():
    source = source_of(5)
    found = drawn(
        detected(read(source, 0, Stopwatch()), Finder(), 1, 1, None, Stopwatch()),
        ("a", "b"),
        None,
        Stopwatch(),
    )
    next(found)
    found.close()
    assert source.frames.gi_frame is None
