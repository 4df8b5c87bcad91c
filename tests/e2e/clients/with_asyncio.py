"""kubernetes_asyncio: an informer's list and watch, patches of every kind, exec, logs, a Lease held. Prints "ok"."""

from __future__ import annotations

import asyncio
import datetime
import sys
from typing import Any

from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.rest import ApiException
from kubernetes_asyncio.stream import WsApiClient

namespace = sys.argv[1]
LABELS = {"app": "asyncio"}


def pod() -> dict[str, Any]:
    container = {"name": "c", "image": "minik.local/echo", "ports": [{"containerPort": 8080}]}
    return {"metadata": {"name": "web", "labels": LABELS}, "spec": {"containers": [container]}}


async def running(core: client.CoreV1Api) -> None:
    """A reflector's way: list, then watch from there."""
    listed = await core.list_namespaced_pod(namespace, label_selector="app=asyncio")
    await core.create_namespaced_pod(namespace, pod())
    async with watch.Watch() as events:
        async for event in events.stream(
            core.list_namespaced_pod, namespace, resource_version=listed.metadata.resource_version, timeout_seconds=60
        ):
            ready = [each.status for each in event["object"].status.conditions or () if each.type == "Ready"]
            if ready == ["True"]:
                return
    raise AssertionError("the pod never became ready")


async def patched(core: client.CoreV1Api) -> None:
    await core.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"strategic": "yes"}}})
    operation = [{"op": "add", "path": "/metadata/labels/json", "value": "yes"}]
    found = await core.patch_namespaced_pod("web", namespace, operation, _content_type="application/json-patch+json")
    assert found.metadata.labels == LABELS | {"strategic": "yes", "json": "yes"}


async def elected(coordination: client.CoordinationV1Api) -> None:
    """Two candidates, one Lease: the later writer is refused, for it has not seen the earlier one."""
    now = datetime.datetime.now(datetime.UTC)
    spec = client.V1LeaseSpec(holder_identity="nobody", lease_duration_seconds=15, acquire_time=now, renew_time=now)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="leader"), spec=spec)
    seen = await coordination.create_namespaced_lease(namespace, lease)
    seen.spec.holder_identity = "first"
    await coordination.replace_namespaced_lease("leader", namespace, seen)
    seen.spec.holder_identity = "second"
    try:
        await coordination.replace_namespaced_lease("leader", namespace, seen)
        raise AssertionError("two leaders")
    except ApiException as refused:
        assert refused.status == 409
    assert (await coordination.read_namespaced_lease("leader", namespace)).spec.holder_identity == "first"


async def main() -> None:
    await config.load_kube_config()
    async with client.ApiClient() as api, WsApiClient() as streams:
        core = client.CoreV1Api(api)
        await running(core)
        await patched(core)
        assert "listening" in await core.read_namespaced_pod_log("web", namespace)
        said = await client.CoreV1Api(streams).connect_get_namespaced_pod_exec(
            "web", namespace, command=["echo", "hello"], stdout=True, stderr=True, stdin=False, tty=False
        )
        assert said == "hello\n", said
        await elected(client.CoordinationV1Api(api))
        await core.delete_namespaced_pod("web", namespace, grace_period_seconds=0)
    print("ok")


asyncio.run(main())
