"""The audit log of a running server: who, what, how much, at which stages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.integration.apiserver.conftest import HTTP, Server, open_session
from tests.support.apiserver import running_apiserver

MAPS = "/api/v1/namespaces/default/configmaps"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {"level": "None", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "RequestResponse", "omitManagedFields": True, "omitStages": ["RequestReceived"],
         "resources": [{"group": "", "resources": ["configmaps"]}], "verbs": ["create", "list", "watch"]},
        {"level": "Metadata"},
    ],
}  # fmt: skip


@asynccontextmanager
async def audited(folder: Path, policy: dict[str, Any] | None = None) -> AsyncIterator[tuple[Server, Path]]:
    log = folder / "audit.log"
    settings: dict[str, Any] = {"audit_log": log}
    if policy is not None:
        settings["audit_policy"] = folder / "policy.yaml"
        settings["audit_policy"].write_text(yaml.safe_dump(policy))
    sessions: list[aiohttp.ClientSession] = []
    async with running_apiserver(folder, **settings) as running:
        try:
            yield Server(running, HTTP(open_session(sessions, running.access), running.url), sessions), log
        finally:
            for session in sessions:
                await session.close()


def told(log: Path, **wanted: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [event for event in events if wanted.items() <= event.items()]


async def test_without_a_policy_the_metadata_of_every_request(tmp_path: Path) -> None:
    async with audited(tmp_path) as (server, log):
        await server.admin("POST", MAPS, {"metadata": {"name": "m"}, "data": {"k": "v"}})
        await server.admin("GET", f"{MAPS}/none")
        await server.as_user("joe")("DELETE", f"{MAPS}/m")
        await server.admin("GET", MAPS, Impersonate_User="joe")
        await server.anonymous("wrong")("GET", MAPS)
        (created,) = told(log, verb="create")
        assert created["user"] == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
        assert created["objectRef"] == {
            "resource": "configmaps", "namespace": "default", "name": "m", "apiVersion": "v1",
        }  # fmt: skip
        assert (created["level"], created["stage"]) == ("Metadata", "ResponseComplete")
        assert created["responseStatus"] == {"metadata": {}, "code": 201}
        assert created["sourceIPs"] == ["127.0.0.1"]
        assert created["annotations"]["authorization.k8s.io/decision"] == "allow"
        assert "requestObject" not in created
        (missing,) = told(log, verb="get")
        assert (missing["responseStatus"]["code"], missing["responseStatus"]["reason"]) == (404, "NotFound")
        (forbidden,) = told(log, verb="delete")
        assert (forbidden["user"]["username"], forbidden["responseStatus"]["code"]) == ("joe", 403)
        assert forbidden["annotations"]["authorization.k8s.io/decision"] == "forbid"
        impersonated, unknown = told(log, verb="list")
        assert impersonated["impersonatedUser"]["username"] == "joe"
        assert (unknown["responseStatus"]["code"], "user" in unknown) == (401, False)
        assert log.stat().st_mode & 0o777 == 0o600


async def test_a_policy_says_how_much_and_at_which_stages(tmp_path: Path) -> None:
    async with audited(tmp_path, POLICY) as (server, log):
        await server.admin("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "hidden"}})
        await server.admin("POST", MAPS, {"metadata": {"name": "m"}, "data": {"k": "v"}})
        await server.admin("GET", MAPS)
        await server.admin("GET", f"{MAPS}/m")
        assert "hidden" not in log.read_text()
        (created,) = told(log, verb="create")
        assert created["requestObject"]["data"] == created["responseObject"]["data"] == {"k": "v"}
        assert "managedFields" not in created["responseObject"]["metadata"]
        (listed,) = told(log, verb="list")
        assert [item["metadata"]["name"] for item in listed["responseObject"]["items"]] == ["m"]
        received, complete = told(log, verb="get")
        assert [received["stage"], complete["stage"]] == ["RequestReceived", "ResponseComplete"]
        assert received["auditID"] == complete["auditID"]
        assert "responseStatus" not in received


async def test_a_watch_is_told_when_it_starts_and_when_its_client_goes(tmp_path: Path) -> None:
    async with audited(tmp_path, POLICY) as (server, log):
        await server.admin("POST", MAPS, {"metadata": {"name": "m"}})
        await server.admin.events(f"{MAPS}?watch=true", 1)
        async with asyncio.timeout(60):
            while True:
                if len(told(log, verb="watch")) == 2:
                    break
                await asyncio.sleep(0.02)
        stages = [event["stage"] for event in told(log, verb="watch")]
        assert stages == ["ResponseStarted", "ResponseComplete"]
        assert all("responseObject" not in event for event in told(log, verb="watch"))


async def test_a_full_disk_costs_events_and_no_requests(tmp_path: Path) -> None:
    full = Path("/dev/full")
    sessions: list[aiohttp.ClientSession] = []
    async with running_apiserver(tmp_path, audit_log=full) as running:
        http = HTTP(open_session(sessions, running.access), running.url)
        assert (await http("GET", MAPS)).status == 200
        for session in sessions:
            await session.close()
