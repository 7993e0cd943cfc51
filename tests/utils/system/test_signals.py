import signal
import time

import pytest

from utils.system.signals import Stop, Stopped, StopSignal, ended_by_signals, exit_status_of


def send(number):
    signal.raise_signal(number)  # os.kill may choose another thread, and then it comes a little later


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_work_goes_on(number):
    before = signal.getsignal(number)
    stop = StopSignal()
    with stop.listening():
        assert stop.number == 0
        send(number)
        assert stop.number == number
    assert signal.getsignal(number) == before


def test_a_second_one_and_one_in_work_that_has_no_steps_stop_at_once():
    stop = StopSignal()
    with stop.listening():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    stop = StopSignal()
    with stop.listening():
        with pytest.raises(KeyboardInterrupt), stop.stopping_at_once():
            send(signal.SIGTERM)
        assert stop.number == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_disturb_the_tidying(number):
    before, tidied = signal.getsignal(number), []
    with pytest.raises(Stopped, match="stopped by ") as stopped, ended_by_signals():
        try:
            send(number)
        finally:
            send(number)
            tidied.append(True)
    assert tidied and stopped.value.exit_status == 128 + number
    assert signal.getsignal(number) == before


def test_a_later_signal_raises_again(monkeypatch):
    """The first may be lost, as in a function called at a fork, whose exceptions Python ignores."""
    now = iter([10.0, 10.5, 12.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with ended_by_signals():
        with pytest.raises(Stopped):
            send(signal.SIGTERM)
        send(signal.SIGTERM)
        with pytest.raises(Stopped):
            send(signal.SIGTERM)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ended_by_signals():
            send(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_exit_status_is_that_of_shells():
    assert exit_status_of(signal.SIGTERM) == 143
    assert Stopped(143, "saved").exit_status == 143


def test_stop_is_over_or_a_signal():
    stop = Stop()
    assert not stop.wanted
    stop.signal.number = 15
    assert stop.wanted and Stop(over=True).wanted
