"""Fan-out of runtime events to whoever is subscribed, without a task and without a bound: events are small."""

from __future__ import annotations

import asyncio
import weakref
from typing import Generic, TypeVar

Event = TypeVar("Event")


class Subscription(Generic[Event]):
    """An endless iterator over what is published from its creation on. Dropping it unsubscribes."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        self._queue.put_nowait(event)

    def __aiter__(self) -> Subscription[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self._queue.get()


class EventHub(Generic[Event]):
    """Publishes on the loop; subscribers get everything in order, however slow they are."""

    def __init__(self) -> None:
        self._subscriptions: weakref.WeakSet[Subscription[Event]] = weakref.WeakSet()

    def subscribe(self) -> Subscription[Event]:
        """Events from this call on, even if the first ``anext`` comes later."""
        subscription: Subscription[Event] = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, event: Event) -> None:
        for subscription in list(self._subscriptions):
            subscription.put(event)
