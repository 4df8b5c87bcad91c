"""Restart back-off: 10 s doubling to five minutes, forgotten after ten good ones."""

from __future__ import annotations

from datetime import timedelta

from agent.pods.crashloop import RestartBackoff
from tests.support.podstates import START


def test_delays_double_up_to_five_minutes() -> None:
    backoff, moment, delays = RestartBackoff(), START, []
    for _ in range(8):
        delays.append(backoff.remaining("app", moment, moment))
        backoff.next("app", moment)
        moment += timedelta(seconds=delays[-1] + 1)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]


def test_the_delay_counts_from_the_end_of_the_container() -> None:
    backoff = RestartBackoff()
    backoff.next("app", START)
    ended = START + timedelta(seconds=5)
    assert backoff.remaining("app", ended, ended + timedelta(seconds=4)) == 6
    assert backoff.remaining("app", ended, ended + timedelta(seconds=11)) == 0


def test_ten_good_minutes_start_over() -> None:
    backoff = RestartBackoff()
    for _ in range(4):
        backoff.next("app", START)
    ended = START + timedelta(seconds=601)
    assert backoff.remaining("app", ended, ended) == 0
    backoff.next("app", ended)
    assert backoff.delay("app") == 10


def test_containers_do_not_share_their_delay() -> None:
    backoff = RestartBackoff()
    backoff.next("a", START)
    assert backoff.remaining("b", START, START) == 0
