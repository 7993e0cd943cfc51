import pytest

from utils.system.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by one second each time it is looked at."""
    times = iter(range(100))
    monkeypatch.setattr("utils.system.stopwatch.time.perf_counter", lambda: float(next(times)))


def test_stages_add_up_in_their_order(clock):
    watch = Stopwatch("read", "never")
    for _ in range(2):
        with watch.timed("read"):
            pass
    with pytest.raises(KeyError), watch.timed("draw"):
        raise KeyError
    assert watch.seconds == {"read": 2, "never": 0, "draw": 1}
    assert watch.describe(2, "frame") == (
        "0.7 frames/s; milliseconds per frame: read 1000.0, never 0.0, draw 500.0"
    )


def test_nothing_done_is_no_trouble():
    assert Stopwatch().describe(0, "image") == "0.0 images/s; milliseconds per image: "
