"""Downward API values: a pod's own fields and resources as text. Pure.

Which fields exist is written in the API's documentation of ObjectFieldSelector and ResourceFieldSelector.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from agent.pods.model import find_container, spec_of
from agent.pods.volumes.errors import VolumeError
from minikube_py.api.meta import annotations_of, labels_of, metadata
from minikube_py.api.quantity import parse_quantity
from minikube_py.api.types import Object

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


def field_value(pod: Object, path: str) -> str:
    """The text of a metadata field. Raises VolumeError for a path that volumes do not offer."""
    if (match := _SUBSCRIPT.fullmatch(path)) is not None:
        source = labels_of(pod) if match.group(1) == "labels" else annotations_of(pod)
        return source.get(match.group(2), "")
    if path == "metadata.labels":
        return format_map(labels_of(pod))
    if path == "metadata.annotations":
        return format_map(annotations_of(pod))
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata(pod).get(path.removeprefix("metadata.")) or "")
    raise VolumeError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """``key="escaped value"`` lines, sorted by key."""
    return "\n".join(f"{key}={json.dumps(values[key], ensure_ascii=False)}" for key in sorted(values))


def resource_value(pod: Object, reference: Mapping[str, Any], allocatable: Mapping[str, str]) -> str:
    """A container's request or limit divided by the divisor, rounded up. Limits default to what the node can give.

    Raises VolumeError for an unknown container or resource.
    """
    name = reference.get("containerName") or spec_of(pod)["containers"][0]["name"]
    container = find_container(pod, name)
    if container is None:
        raise VolumeError(f"container {name} not found")
    kind, _, resource = str(reference.get("resource", "")).partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise VolumeError(f"unsupported container resource : {reference.get('resource')}")
    resources = container.spec.get("resources") or {}
    amount = (resources.get(kind) or {}).get(resource)
    if amount is None:
        amount = allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = parse_quantity(str(reference.get("divisor") or "1")) or Decimal(1)
    return str(int((parse_quantity(str(amount)) / divisor).to_integral_value(ROUND_CEILING)))
