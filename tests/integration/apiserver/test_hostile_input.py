"""Nonsense in, refusals out: no answer is a 500 of ours, none hangs, nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import random
import ssl
from typing import Any

import aiohttp
import orjson

from minikube_py.api.resources import BUILTIN, Resource
from tests.integration.apiserver.conftest import HTTP, Server

#: 500s that a real server gives too.
_KNOWN = ("resourceVersion should not be set", "resourceVersion: Invalid value", "Internal error occurred: ")
_STRANGE: list[Any] = [
    None,
    "",
    "x",
    -1,
    0,
    1 << 70,
    1.5,
    True,
    [],
    {},
    [None],
    {"a": None},
    "\u0000",
    "é" * 300,
    [[]],
    [{}],
]
_TYPES = [
    "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/merge-patch+json",
    "application/json-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml", "x/y", "",
]  # fmt: skip
_PARAMETERS = [
    "limit=-1", "limit=x", "limit=1", "continue=x", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "resourceVersion=0", "resourceVersion=-5", "resourceVersion=1", "labelSelector=%21", "labelSelector=a+in+%28",
    "fieldSelector=metadata.name%3Dx", "fieldSelector=%3D%3D", "dryRun=All", "fieldValidation=Strict", "force=true",
    "fieldManager=x", "propagationPolicy=Orphan", "gracePeriodSeconds=-1", "gracePeriodSeconds=x", "timeoutSeconds=x",
    "includeObject=None", "resourceVersionMatch=Exact", "allowWatchBookmarks=yes", "container=%00",
    "command=a&stdout=1",
]  # fmt: skip


def value(chance: random.Random, depth: int = 0) -> Any:
    roll = chance.random()
    if depth > 4 or roll < 0.5:
        return chance.choice(_STRANGE)
    if roll < 0.8:
        return {chance.choice(_WORDS): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return [value(chance, depth + 1) for _ in range(chance.randrange(3))]


_WORDS = [
    "spec", "metadata", "status", "containers", "name", "namespace", "labels", "annotations", "finalizers", "template",
    "selector", "matchLabels", "matchExpressions", "replicas", "ports", "port", "rules", "subjects", "roleRef", "data",
    "kind", "apiVersion", "uid", "resourceVersion", "ownerReferences", "managedFields", "deletionTimestamp", "image",
    "resources", "limits", "requests", "volumes", "env", "hard", "type", "clusterIP", "metrics",
    "target", "involvedObject",
]  # fmt: skip


def body(chance: random.Random, resource: Resource) -> bytes:
    """A body that is half right, or not at all."""
    if chance.random() < 0.15:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(60)))
    obj = {
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {"name": chance.choice(["a", "b", "A_", ""]), "labels": value(chance, 3)},
    } | {chance.choice(_WORDS): value(chance) for _ in range(chance.randrange(4))}  # fmt: skip
    text = orjson.dumps(obj if chance.random() < 0.8 else [obj], option=orjson.OPT_NON_STR_KEYS, default=str)
    return text if chance.random() < 0.9 else text[: chance.randrange(len(text))]


def path(chance: random.Random, resource: Resource) -> str:
    namespace = chance.choice(["default", "none", "kube-system", None])
    name = chance.choice([None, "a", "b", "c:d:e", "%2e%2e", "x" * 300])
    subresources = [sub.name for sub in resource.subresources] or ["status"]
    sub = chance.choice([None, None, *subresources]) if name else None
    found = resource.path(namespace, name, sub)
    query = [chance.choice(_PARAMETERS) for _ in range(chance.randrange(3))]
    return found + ("?" + "&".join(query) if query else "")


async def test_random_requests_get_honest_answers(http: HTTP) -> None:
    chance = random.Random(20)
    bad: list[str] = []
    for _ in range(1500):
        resource = chance.choice(BUILTIN)
        method = chance.choice(["GET", "POST", "POST", "PUT", "PATCH", "PATCH", "DELETE"])
        try:
            target, sent = path(chance, resource), body(chance, resource)
        except orjson.JSONEncodeError:
            continue
        headers = {"Content-Type": chance.choice(_TYPES)}
        async with (
            asyncio.timeout(60),
            http.session.request(method, http.url + target, data=sent, headers=headers) as reply,
        ):
            text = await reply.text(errors="replace")
        ours = "Internal error occurred: " in text and "Error: " in text
        if reply.status == 500 and (ours or not any(known in text for known in _KNOWN)):
            bad.append(f"{method} {target[:200]} {sent[:300]!r}: {text[:300]}")
    assert bad == []


async def test_raw_bytes(server: Server) -> None:
    chance = random.Random(3)
    access = server.running.access
    host, _, port = server.running.url.removeprefix("https://").partition(":")
    context = ssl.create_default_context(cafile=str(access.ca))
    for start in (
        b"",
        b"GET /api HTTP/1.1\r\n",
        b"POST /api/v1/pods HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"\x16\x03\x01",
    ):
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
            writer.write(start + bytes(chance.randrange(256) for _ in range(200)) + b"\r\n\r\n")
            await reader.read(200)
            writer.close()
            try:
                await writer.wait_closed()
            except (OSError, ssl.SSLError):
                pass
    assert (await server.admin("GET", "/healthz")).body == "ok"


async def test_a_body_has_a_limit(http: HTTP) -> None:
    huge = orjson.dumps({"metadata": {"name": "big"}, "data": {"k": "x" * (4 * 1024 * 1024)}})
    headers = {"Content-Type": "application/json"}
    try:
        async with http.session.post(
            f"{http.url}/api/v1/namespaces/default/configmaps", data=io.BytesIO(huge), headers=headers
        ) as reply:
            assert (reply.status, (await reply.json())["reason"]) == (413, "RequestEntityTooLarge")
    except aiohttp.ClientConnectionError:
        pass  # the server hung up while we were still sending: as good an answer


async def test_a_request_line_may_be_as_long_as_a_command(http: HTTP) -> None:
    names = ",".join(f"name-{number}" for number in range(10_000))
    assert (await http("GET", f"/api/v1/pods?labelSelector=app%20in%20({names})")).status == 200
