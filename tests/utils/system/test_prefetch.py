"""Work ahead and behind: in order, at the same time, and nothing that goes wrong is lost."""

import threading
import time

import pytest

from utils.system.prefetch import ahead, one_behind


def test_items_come_in_order():
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([]))) == []


def test_the_next_item_is_made_while_one_is_in_use():
    made = [threading.Event() for _ in range(4)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        assert made[min(number + 1, 3)].wait(5)
        assert number > 1 or not made[number + 2].is_set(), "one ahead, no more: each may be large"


def test_what_goes_wrong_ahead_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("two")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="two"):
        next(coming)


def test_stopping_early_waits_for_nothing_and_ends_the_thread():
    before, late = threading.active_count(), threading.Event()

    def items():
        yield 1
        late.wait(30)
        yield 2

    coming = ahead(items())
    assert next(coming) == 1
    coming.close()
    late.set()
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
