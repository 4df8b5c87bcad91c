"""An operator written with kopf: it sees ConfigMaps come, annotates them and lets its finalizer go. Prints "ok"."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import kopf
import kubernetes

namespace = sys.argv[1]
seen: list[str] = []


@kopf.on.create("configmaps", labels={"operated": "yes"})
def created(name: str, patch: Any, **_: Any) -> None:
    seen.append(f"created {name}")
    patch.metadata.annotations["example.org/operated"] = "done"


@kopf.on.delete("configmaps", labels={"operated": "yes"})
def deleted(name: str, **_: Any) -> None:
    seen.append(f"deleted {name}")


def drive() -> None:
    kubernetes.config.load_kube_config()
    core = kubernetes.client.CoreV1Api()
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "cm", "labels": {"operated": "yes"}}})
    for event in kubernetes.watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=30):
        if (event["object"].metadata.annotations or {}).get("example.org/operated") == "done":
            break
    core.delete_namespaced_config_map("cm", namespace)
    for event in kubernetes.watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=30):
        if event["type"] == "DELETED" and event["object"].metadata.name == "cm":
            break


async def main() -> None:
    stop = asyncio.Event()
    operator = asyncio.create_task(kopf.operator(namespaces=[namespace], standalone=True, stop_flag=stop))
    await asyncio.to_thread(drive)
    stop.set()
    await operator
    assert seen == ["created cm", "deleted cm"], seen
    print("ok")


asyncio.run(main())
