"""Input made from the published schema: whatever it says, the answer is one that a client can use.

Objects are generated from the OpenAPI document that the server itself publishes: almost right, with strange values
strewn in. That reaches what random bytes never do: defaulting, validation, admission, field management.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import orjson

from minikube_py.api.resources import BUILTIN, Resource
from tests.integration.apiserver.conftest import HTTP

Schema = dict[str, Any]
REQUESTS = 1000

STRANGE: list[Any] = [None, "", "\u0000", -1, 1 << 70, 1.5, True, [], {}, [None], [[]], {"a": None}, "é" * 300]
STRINGS = [
    "a", "b", "default", "x-1", "example.com/a", "10.0.0.1", "10.0.0.0/8", "fd00::1", "100m", "1Gi", "-1", "50%", "TCP",
    "Always", "ClusterIP", "*", "80", "http", "kubernetes.io/x", "node-1", "a=b", "$(A)", "/tmp", "../x", "x" * 70,
    "1e400", "RollingUpdate", "True", "In", "Exists", "NoExecute", "IPv4", "SingleStack", "Local", "ExternalName",
    "None", "0 0 * * *", "AAAA", "100Ei", "2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z",
]  # fmt: skip
BY_FORMAT: dict[str, list[Any]] = {
    "byte": ["AAAA", "", "eA==", "*"],
    "date-time": ["2026-01-02T03:04:05Z", "x", None, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
    "int-or-string": [1, "50%", "http", -1, "-5%"],
}
NUMBERS = [0, 1, 1, 2, -1, 80, 600, 65536, 2**31 - 1, 2**31, 2**63 - 1]
PATCHES = [
    ("application/merge-patch+json", ""),
    ("application/strategic-merge-patch+json", ""),
    ("application/apply-patch+yaml", "?fieldManager=x"),
    ("application/apply-patch+yaml", "?fieldManager=y&force=true"),
]
ANSWERS = ["application/json;as=Table;v=v1;g=meta.k8s.io", "application/json", "application/vnd.kubernetes.protobuf"]
#: What a real server answers with 500 too: an apply that does not fit the schema.
KNOWN = "failed to create typed patch object"


class Generator:
    """Objects of published types."""

    def __init__(self, chance: random.Random, schemas: dict[str, Schema]) -> None:
        self.chance = chance
        self.schemas = schemas

    def value(self, schema: Schema, depth: int = 0) -> Any:
        if self.chance.random() < 0.01:
            return self.chance.choice(STRANGE)
        while "$ref" in schema or len(schema.get("allOf", ())) == 1:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema["allOf"][0]
        if "enum" in schema:
            return self.chance.choice([*schema["enum"], *schema["enum"], "x"])
        if "oneOf" in schema:
            return self.chance.choice([*NUMBERS, *STRINGS])
        return self._typed(schema, depth)

    def _typed(self, schema: Schema, depth: int) -> Any:
        match schema.get("type"):
            case "string":
                return self.chance.choice(BY_FORMAT.get(schema.get("format", ""), STRINGS))
            case "integer" | "number":
                return self.chance.choice(NUMBERS)
            case "boolean":
                return self.chance.random() < 0.5
            case "array":
                return [self.value(schema["items"], depth + 1) for _ in range(self.chance.choice([0, 1, 1, 2, 3]))]
        if "properties" in schema:
            return dict(self._fields(schema, depth))
        values = schema.get("additionalProperties") or {"type": "string"}
        return {self.chance.choice(STRINGS): self.value(values, depth + 1) for _ in range(self.chance.randrange(3))}

    def _fields(self, schema: Schema, depth: int) -> Iterator[tuple[str, Any]]:
        likely = max(0.08, 0.5 - depth * 0.07)
        for name, field in schema["properties"].items():
            wanted = 0.95 if name in schema.get("required", ()) else likely
            if self.chance.random() < wanted:
                yield name, self.value(field, depth + 1)

    def object(self, resource: Resource, schema: Schema) -> dict[str, Any]:
        """An object of a kind, with a name and no more metadata than most have."""
        made = self.value(schema)
        made = made if isinstance(made, dict) else {}
        made |= {"apiVersion": resource.api_version, "kind": resource.kind}
        kept = made.get("metadata") if self.chance.random() < 0.2 else None
        made["metadata"] = (kept if isinstance(kept, dict) else {}) | {"name": self.chance.choice("abc")}
        for name in ("namespace", "resourceVersion"):
            made["metadata"].pop(name, None)
        return made


def kind_of(schema: Schema) -> set[tuple[str, str, str]]:
    kinds = schema.get("x-kubernetes-group-version-kind", ())
    return {(each.get("group", ""), each["version"], each["kind"]) for each in kinds}


def request(chance: random.Random, resource: Resource, body: dict[str, Any]) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, target, body and headers of something to do with an object."""
    namespace = "default" if resource.namespaced else None
    name = body["metadata"]["name"]
    own = [sub.name for sub in resource.subresources if sub.kind is None or sub.name in ("scale", "eviction", "token")]
    sub = chance.choice(own) if own and chance.random() < 0.2 else None
    data, roll = orjson.dumps(body), chance.random()
    dry = chance.choice(["", "", "", "?dryRun=All"])
    if roll < 0.45 or not resource.stored:
        return "POST", resource.path(namespace) + dry, data, {"Content-Type": "application/json"}
    if roll < 0.65:
        return "PUT", resource.path(namespace, name, sub) + dry, data, {"Content-Type": "application/json"}
    if roll < 0.9:
        kind, query = chance.choice(PATCHES)
        return "PATCH", resource.path(namespace, name, sub) + query, data, {"Content-Type": kind}
    if roll < 0.95:
        return "DELETE", resource.path(namespace, name), b"{}", {"Content-Type": "application/json"}
    return "GET", resource.path(namespace), b"", {"Accept": chance.choice(ANSWERS)}


async def test_objects_made_from_the_schema_get_honest_answers(http: HTTP) -> None:
    schemas: dict[str, Schema] = {}
    for path in (await http("GET", "/openapi/v3")).body["paths"]:
        schemas |= (await http("GET", f"/openapi/v3/{path}")).body.get("components", {}).get("schemas", {})
    kinds = {kind: schema for schema in schemas.values() for kind in kind_of(schema)}
    known = [each for each in BUILTIN if (each.group, each.version, each.kind) in kinds]
    chance = random.Random(37)
    generator, bad = Generator(chance, schemas), []
    for _ in range(REQUESTS):
        resource = chance.choice(known)
        body = generator.object(resource, kinds[(resource.group, resource.version, resource.kind)])
        try:
            method, target, data, headers = request(chance, resource, body)
        except orjson.JSONEncodeError:
            continue
        async with (
            asyncio.timeout(60),
            http.session.request(method, http.url + target, data=data or None, headers=headers) as reply,
        ):
            text = await reply.text(errors="replace")
        if reply.status >= 500 and KNOWN not in text:
            bad.append(f"{method} {target} {data[:600]!r}: {text[:300]}")
    assert bad == []
