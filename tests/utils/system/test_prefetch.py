"""Prefetching and work behind: in order, bounded, at the same time; no error is lost, no thread stays."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.system.prefetch import one_behind, prefetch
from utils.system.signals import Stop


def counting(number, made=None):
    for k in range(number):
        if made is not None:
            made.append(k)
        yield k


@given(number=st.integers(0, 40), depths=st.lists(st.integers(1, 5), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_the_same_items_in_the_same_order(number, depths):
    stop, items = Stop(), counting(number)
    for depth in depths:
        items = prefetch(items, depth, stop)
    assert list(items) == [*range(number)]


def test_no_more_is_made_than_may_wait():
    made = []
    items = prefetch(counting(100, made), 3, Stop())
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
    assert list(prefetch(second(prefetch(first(), 1, stop)), 1, stop)) == [0, 1, 2]


def test_an_error_comes_after_what_was_made_before_it():
    def failing():
        yield from range(4)
        raise ZeroDivisionError

    stop = Stop()
    items = prefetch(prefetch(failing(), 2, stop), 2, stop)
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
    items = prefetch(prefetch(source(), 2, stop), 2, stop)
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

    items = prefetch(silent(), 2, stop)
    assert next(items) == 0
    stop.signal.number = 2
    threading.Timer(0.3, comes.set).start()  # a thread cannot be ended from outside: closing waits for it
    assert list(items) == []


def test_the_next_item_is_made_while_one_is_in_use():
    made = [threading.Event() for _ in range(4)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in prefetch(items()):
        assert made[min(number + 1, 3)].wait(5)
        assert number > 1 or not made[number + 2].is_set(), "one ahead, no more: each may be large"


def test_what_goes_wrong_ahead_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("two")

    coming = prefetch(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="two"):
        next(coming)


def test_stopping_early_waits_for_nothing_and_closes_the_items_later():
    late, closed = threading.Event(), threading.Event()

    def items():
        try:
            yield 1
            late.wait(30)
            yield 2
        finally:
            closed.set()

    before = threading.active_count()
    coming = prefetch(items())
    assert next(coming) == 1
    coming.close()
    assert not closed.is_set()
    late.set()
    assert closed.wait(5)
    for _ in range(500):
        if threading.active_count() == before:
            return
        time.sleep(0.01)
    pytest.fail("the thread goes on")


def test_work_is_done_behind_and_in_order():
    main, done = threading.current_thread(), []
    with one_behind() as behind:
        for number in range(20):
            behind(lambda number=number: done.append((number, threading.current_thread() is not main)))
    assert done == [(number, True) for number in range(20)]


def test_at_most_one_waits():
    """The second piece of work is not taken before the first is done."""
    go, taken = threading.Event(), []
    with one_behind() as behind:
        behind(lambda: go.wait(5))
        thread = threading.Thread(target=lambda: (behind(lambda: None), taken.append(1)))
        thread.start()
        thread.join(0.05)
        assert not taken
        go.set()
        thread.join(5)
        assert taken


@pytest.mark.parametrize("later", [0, 1])
def test_what_goes_wrong_behind_is_raised(later):
    def fail():
        raise OSError("full")

    def work():
        with one_behind() as behind:
            behind(fail)
            for _ in range(later):
                behind(lambda: None)

    with pytest.raises(OSError, match="full"):
        work()
