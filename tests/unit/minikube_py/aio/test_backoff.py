"""Delays: growth, cap, jitter, keys."""

from __future__ import annotations

import pytest

from minikube_py.aio.backoff import Backoff, KeyedBackoff


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(10, 300)
    assert [backoff.next() for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]
    backoff.reset()
    assert backoff.next() == 10


def test_jitter_only_stretches() -> None:
    backoff = Backoff(1, 1, jitter=0.5, random_source=lambda: 0.5)
    assert backoff.next() == 1.25


def test_keys_are_apart() -> None:
    backoff = KeyedBackoff[str](1, 8)
    assert [backoff.next("a"), backoff.next("a"), backoff.next("b")] == [1, 2, 1]
    backoff.reset("a")
    assert "a" not in backoff
    assert backoff.next("a") == 1


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="not a backoff"):
        Backoff(5, 1)
