"""Whatever clients do at once: a watcher that applies its events has what a list has, and no update is lost.

Seeded, so that what fails can be repeated; the interleaving is the event loop's.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import aiohttp
import pytest

from tests.integration.apiserver.conftest import HTTP, Server

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
NAMES = [f"m{number}" for number in range(6)]
PATIENCE = 60.0


class Writer:
    """A client that writes at random and counts the increments that it was told are done."""

    def __init__(self, http: HTTP, seed: int) -> None:
        self._http = http
        self._noise = random.Random(seed)
        self._who = f"w{seed}"
        self.counted = 0
        self.revisions: list[int] = []

    async def run(self, steps: int) -> None:
        actions = [self._create, self._increment, self._increment, self._label, self._apply, self._delete]
        for _ in range(steps):
            name = self._noise.choice(NAMES)
            reply = await self._noise.choice(actions)(name)
            assert reply is None or reply.status in (200, 201, 404, 409), reply.body

    async def _create(self, name: str) -> Any:
        labels = {"side": self._noise.choice("ab")}
        reply = await self._http("POST", MAPS, {"metadata": {"name": name, "labels": labels}, "data": {}})
        if reply.status == 201:
            self.revisions.append(int(reply.body["metadata"]["resourceVersion"]))
        return reply

    async def _increment(self, name: str) -> Any:
        """Read, add one to a field of our own, write back at the revision read: refused where somebody came between."""
        found = await self._http("GET", f"{MAPS}/{name}")
        if found.status != 200:
            return found
        data = found.body.setdefault("data", {})
        data["total"] = str(int(data.get("total", "0")) + 1)
        reply = await self._http("PUT", f"{MAPS}/{name}", found.body)
        if reply.status == 200:
            self.counted += 1
            self.revisions.append(int(reply.body["metadata"]["resourceVersion"]))
        return reply

    async def _label(self, name: str) -> Any:
        body = {"metadata": {"labels": {"side": self._noise.choice(["a", "b", None])}}}
        return await self._http("PATCH", f"{MAPS}/{name}", body, Content_Type=MERGE)

    async def _apply(self, name: str) -> Any:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {self._who: "was here"}}
        path = f"{MAPS}/{name}?fieldManager={self._who}&force=true"
        return await self._http("PATCH", path, json.dumps(body), Content_Type=APPLY)

    async def _delete(self, name: str) -> Any:
        return await self._http("DELETE", f"{MAPS}/{name}") if self._noise.random() < 0.4 else None


class Watcher:
    """A client that follows a selection and comes back where it was when its watch ends."""

    def __init__(self, http: HTTP, query: str, seed: int) -> None:
        self._http = http
        self._query = query
        self._noise = random.Random(seed)
        self.objects: dict[str, Any] = {}
        self.revision = 0

    async def run(self) -> None:
        listed = (await self._http("GET", f"{MAPS}?{self._query}")).body
        self.revision = int(listed["metadata"]["resourceVersion"])
        self.objects = {item["metadata"]["name"]: item for item in listed["items"]}
        while True:
            await self._watch(self._noise.randrange(1, 30))

    async def _watch(self, most: int) -> None:
        url = f"{self._http.url}{MAPS}?{self._query}&watch=1&allowWatchBookmarks=true&resourceVersion={self.revision}"
        async with self._http.session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as response:
            for _ in range(most):
                self._apply(json.loads(await response.content.readline()))

    def _apply(self, event: dict[str, Any]) -> None:
        revision = int(event["object"]["metadata"]["resourceVersion"])
        assert revision > self.revision, "revisions of a watch only grow"
        self.revision, name = revision, event["object"]["metadata"].get("name", "")
        present = name in self.objects
        assert event["type"] in {False: ("ADDED",), True: ("MODIFIED", "DELETED")}[present], (event["type"], present)
        if event["type"] == "DELETED":
            del self.objects[name]
        else:
            self.objects[name] = {key: value for key, value in event["object"].items() if key in ("metadata", "data")}


def shown(items: Any) -> dict[str, Any]:
    return {item["metadata"]["name"]: {"metadata": item["metadata"], "data": item.get("data")} for item in items}


@pytest.mark.parametrize("seed", range(3))
async def test_watchers_end_with_what_a_list_shows_and_no_update_is_lost(server: Server, http: HTTP, seed: int) -> None:
    queries = ["", "labelSelector=side%3Da", "labelSelector=side%21%3Da", "fieldSelector=metadata.name%3Dm1"]
    watchers = [Watcher(http, query, seed + number) for number, query in enumerate(queries * 2)]
    writers = [Writer(http, seed * 100 + number) for number in range(5)]
    async with asyncio.timeout(PATIENCE):
        following = [asyncio.ensure_future(watcher.run()) for watcher in watchers]
        await asyncio.gather(*(writer.run(40) for writer in writers))
        for name in NAMES:  # the last words, which every watcher but the narrow ones hears
            await http("DELETE", f"{MAPS}/{name}")
            last = await http("POST", MAPS, {"metadata": {"name": name, "labels": {"side": "a"}}})
            assert last.status == 201
            await http("PATCH", f"{MAPS}/{name}", {"metadata": {"labels": {"side": "b"}}}, Content_Type=MERGE)
        lists = {query: shown((await http("GET", f"{MAPS}?{query}")).body["items"]) for query in queries}
        for watcher, task in zip(watchers, following, strict=True):
            while shown(watcher.objects.values()) != lists[watcher._query]:
                assert not task.done(), task.result()
                await asyncio.sleep(0)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    for writer in writers:
        assert writer.revisions == sorted(set(writer.revisions)), "revisions only grow"


async def test_no_increment_is_lost(http: HTTP) -> None:
    """Nobody deletes here: every write that was acknowledged is in the sum."""
    assert (await http("POST", MAPS, {"metadata": {"name": "m0"}})).status == 201
    writers = [Writer(http, number) for number in range(6)]

    async def increment(writer: Writer) -> None:
        for _ in range(15):
            reply = await writer._increment("m0")
            assert reply.status in (200, 409)
            assert (await writer._label("m0")).status == 200

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(increment(writer) for writer in writers))
    done = sum(writer.counted for writer in writers)
    assert (await http("GET", f"{MAPS}/m0")).body["data"]["total"] == str(done)
