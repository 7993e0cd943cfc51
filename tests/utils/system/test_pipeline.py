"""Stages in threads: in order, bounded, at the same time, and none outlives the work."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.system.pipeline import Stop, ahead


def counting(number, made=None):
    for k in range(number):
        if made is not None:
            made.append(k)
        yield k


@given(number=st.integers(0, 40), depths=st.lists(st.integers(1, 5), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_the_same_items_in_the_same_order(number, depths):
    stop, items = Stop(), counting(number)
    for most in depths:
        items = ahead(items, most, stop)
    assert list(items) == [*range(number)]


def test_no_more_is_made_than_may_wait():
    made = []
    items = ahead(counting(100, made), 3, Stop())
    assert [next(items) for _ in range(5)] == [*range(5)]
    deadline = time.monotonic() + 5
    while len(made) < 8 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(made) == 8, "5 taken and 3 that wait"
    items.close()


def test_two_stages_are_at_work_at_the_same_time():
    """Each waits until the other is at work too: one after the other they would wait for ever."""
    together = threading.Barrier(2, timeout=20)

    def first():
        for k in range(3):
            if k:
                together.wait()
            yield k

    def second(items):
        for k in items:
            if k < 2:
                together.wait()
            yield k

    stop = Stop()
    assert list(ahead(second(ahead(first(), 1, stop)), 1, stop)) == [0, 1, 2]


def test_an_error_comes_after_what_was_made_before_it():
    def failing():
        yield from range(4)
        raise ZeroDivisionError

    stop = Stop()
    items = ahead(ahead(failing(), 2, stop), 2, stop)
    assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_closing_closes_all_the_way_and_ends_the_threads():
    closed = []

    def source():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    before, stop = threading.active_count(), Stop()
    items = ahead(ahead(source(), 2, stop), 2, stop)
    next(items)
    stop.over = True
    items.close()
    assert closed == [True] and threading.active_count() == before


def test_stop_ends_the_waiting_for_something_that_does_not_come():
    stop, comes = Stop(), threading.Event()

    def silent():
        yield 0
        comes.wait(20)
        yield 1

    items = ahead(silent(), 2, stop)
    assert next(items) == 0
    stop.signal.number = 2
    threading.Timer(0.3, comes.set).start()  # a thread cannot be ended from outside: closing waits for it
    assert list(items) == []


def test_stop_is_over_or_a_signal():
    stop = Stop()
    assert not stop.wanted
    stop.signal.number = 15
    assert stop.wanted and Stop(over=True).wanted
