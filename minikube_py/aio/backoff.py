"""How long to wait after the n-th failure in a row: one thing, or one per key."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Backoff:
    """Exponentially growing delays in seconds: ``initial``, ``initial * factor``, … up to ``maximum``.

    With ``jitter`` j each delay is stretched at random by up to j times itself (client-go's ``wait.Jitter``), so that
    many clients of one server do not come back in step.
    """

    __slots__ = ("_factor", "_initial", "_jitter", "_maximum", "_next", "_random")

    def __init__(
        self,
        initial: float,
        maximum: float,
        factor: float = 2.0,
        jitter: float = 0.0,
        *,
        random_source: Callable[[], float] = random.random,
    ) -> None:
        if initial < 0 or maximum < initial or factor < 1:
            raise ValueError(f"not a backoff: initial {initial}, maximum {maximum}, factor {factor}")
        self._initial = initial
        self._maximum = maximum
        self._factor = factor
        self._jitter = jitter
        self._random = random_source
        self._next = initial

    def next(self) -> float:
        """The delay for the failure that has just happened."""
        delay = self._next
        self._next = min(delay * self._factor, self._maximum)
        return delay * (1.0 + self._jitter * self._random()) if self._jitter else delay

    def reset(self) -> None:
        """Things work again: start over from ``initial``."""
        self._next = self._initial


class KeyedBackoff(Generic[K]):
    """A Backoff per key; a key that was never seen, or was reset, starts from ``initial`` and costs no memory."""

    __slots__ = ("_backoffs", "_new")

    def __init__(
        self,
        initial: float,
        maximum: float,
        factor: float = 2.0,
        jitter: float = 0.0,
        *,
        random_source: Callable[[], float] = random.random,
    ) -> None:
        self._new = partial(Backoff, initial, maximum, factor, jitter, random_source=random_source)
        self._backoffs: dict[K, Backoff] = {}

    def next(self, key: K) -> float:
        """The delay for this key's latest failure."""
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = self._backoffs[key] = self._new()
        return backoff.next()

    def reset(self, key: K) -> None:
        """The key works again, or is gone."""
        self._backoffs.pop(key, None)

    def __contains__(self, key: K) -> bool:
        return key in self._backoffs
