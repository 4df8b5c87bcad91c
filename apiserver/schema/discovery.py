"""The discovery documents: which groups, versions and resources there are, in both forms that clients ask for.

The legacy form is a document per group version; the aggregated form (KEP-3352) says it all in two answers and is
asked for through the Accept header. Its Content-Type must say what it is, or clients read it as the legacy form
and find nothing.

Pure: documents are built from the resource table when first asked for and kept as bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from apiserver.routes.negotiation import Clause, parse_accept
from minikube_py.api.resources import Resource, Subresource
from minikube_py.api.types import Object

_JSON = "application/json"
_AGGREGATED_VERSIONS = ("v2", "v2beta1")
_GROUP = "apidiscovery.k8s.io"

#: The order in which upstream's aggregator lists its groups (their priorities); unknown groups follow by name.
_GROUP_ORDER = (
    "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
    "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
    "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io",
    "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """An answer ready to send. ``etag`` (quoted) is set where clients may ask again with If-None-Match."""

    body: bytes
    content_type: str = _JSON
    etag: str = ""


class Discovery:
    """Answers every discovery path for a fixed set of resources; a changed set is a new Discovery."""

    def __init__(self, resources: Iterable[Resource], *, server_address: str = "") -> None:
        ordered = sorted(resources, key=_rank)
        self._versions: dict[tuple[str, str], list[Resource]] = {
            key: sorted(found, key=lambda resource: resource.plural)
            for key, found in groupby(ordered, key=lambda resource: (resource.group, resource.version))
        }
        self._clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}]
        self._documents: dict[tuple[str, ...], Document] = {}

    def answer(self, path: str, accept: str = "") -> Document | None:
        """The document at ``/api``, ``/apis``, ``/api/v1``, ``/apis/GROUP`` or ``/apis/GROUP/VERSION``, else None.

        A trailing slash means nothing. The Accept header chooses between the legacy and the aggregated form of the two
        roots; where it allows neither JSON form the legacy one is given, as upstream does for discovery.
        """
        parts = tuple(part for part in path.split("/") if part)
        form = aggregated_version(accept) if len(parts) == 1 else None
        key = (*parts, form or "")
        found = self._documents.get(key) or self._build(parts, form)
        if found is not None:  # what is not there is not remembered: there is no end to it
            self._documents[key] = found
        return found

    def _build(self, parts: tuple[str, ...], form: str | None) -> Document | None:
        if form is not None and parts in (("api",), ("apis",)):
            return self._aggregated(legacy=parts == ("api",), version=form)
        found: Object | None = None
        match parts:
            case ("api",):
                found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": self._clients}
            case ("apis",):
                found = {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
            case ("api", version):
                found = self._resource_list("", version)
            case ("apis", group):
                named = next((listed for listed in self._groups() if listed["name"] == group), None)
                found = {"kind": "APIGroup", "apiVersion": "v1", **named} if named else None
            case ("apis", group, version) if group:
                found = self._resource_list(group, version)
        return Document(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)) if found else None

    def _groups(self) -> list[Object]:
        return [
            {"name": group, "versions": versions, "preferredVersion": versions[0]}
            for group, keys in groupby(self._versions, key=lambda key: key[0])
            if group
            and (versions := [{"groupVersion": f"{group}/{version}", "version": version} for _, version in keys])
        ]

    def _resource_list(self, group: str, version: str) -> Object | None:
        found = self._versions.get((group, version))
        if found is None:
            return None
        entries = [entry for resource in found for entry in _listed(resource)]
        head: Object = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
        return head | {"groupVersion": f"{group}/{version}" if group else version, "resources": entries}

    def _aggregated(self, *, legacy: bool, version: str) -> Document:
        groups = groupby(self._versions.items(), key=lambda entry: entry[0][0])
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": key[1],
                        "resources": [_discovered(found) for found in resources],
                        "freshness": "Current",
                    }
                    for key, resources in entries
                ],
            }
            for group, entries in groups
            if legacy == (not group)
        ]
        head = {"kind": "APIGroupDiscoveryList", "apiVersion": f"{_GROUP}/{version}", "metadata": {}}
        body = orjson.dumps(head | {"items": items}, option=orjson.OPT_APPEND_NEWLINE)
        etag = hashlib.sha512(body).hexdigest().upper()
        return Document(body, f"{_JSON};g={_GROUP};v={version};as=APIGroupDiscoveryList", f'"{etag}"')


def aggregated_version(accept: str) -> str | None:
    """The version of the aggregated form that the header prefers, None for the legacy form."""
    for clause in parse_accept(accept):
        if clause.media_type not in (_JSON, "application/*", "*/*"):
            continue
        if "as" not in clause.parameters:
            return None
        if _is_aggregated(clause):
            return clause.parameters["v"]
    return None


def _is_aggregated(clause: Clause) -> bool:
    given = clause.parameters
    return (
        given.get("g") == _GROUP
        and given.get("v") in _AGGREGATED_VERSIONS
        and given.get("as") == "APIGroupDiscoveryList"
    )


def _rank(resource: Resource) -> tuple[int, str, int, str]:
    known = resource.group in _GROUP_ORDER
    place = _GROUP_ORDER.index(resource.group) if known else len(_GROUP_ORDER)
    return place, resource.group, _version_rank(resource.version), resource.version


def _version_rank(version: str) -> int:
    """GA before beta before alpha, newer first (``apimachinery/pkg/version``)."""
    digits = "".join(character if character.isdigit() else " " for character in version).split()
    major = int(digits[0]) if digits else 0
    minor = int(digits[1]) if len(digits) > 1 else 0
    stage = 0 if "alpha" in version else 1 if "beta" in version else 2
    return -(stage * 1_000_000 + major * 1_000 + minor)


def _listed(resource: Resource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        entry["shortNames"] = resource.short_names
    if resource.categories:
        entry["categories"] = resource.categories
    if resource.stored:
        entry["storageVersionHash"] = storage_version_hash(resource.group, resource.version, resource.kind)
    yield entry
    for sub in _sorted(resource.subresources):
        yield _listed_subresource(resource, sub)


def _listed_subresource(resource: Resource, sub: Subresource) -> Object:
    entry: Object = {"name": f"{resource.plural}/{sub.name}", "singularName": "", "namespaced": resource.namespaced}
    if sub.group is not None and (sub.group, sub.version) != (resource.group, resource.version):
        entry |= {"group": sub.group, "version": sub.version}
    return entry | {"kind": sub.kind or resource.kind, "verbs": sub.verbs}


def _discovered(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _gvk(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    }
    if resource.short_names:
        entry["shortNames"] = resource.short_names
    if resource.categories:
        entry["categories"] = resource.categories
    if resource.subresources:
        entry["subresources"] = [_discovered_subresource(resource, sub) for sub in _sorted(resource.subresources)]
    return entry


def _discovered_subresource(resource: Resource, sub: Subresource) -> Object:
    group = resource.group if sub.group is None else sub.group
    kind = _gvk(group, sub.version or resource.version, sub.kind or resource.kind)
    return {"subresource": sub.name, "responseKind": kind, "verbs": sub.verbs}


def _sorted(subresources: Iterable[Subresource]) -> list[Subresource]:
    return sorted(subresources, key=lambda sub: sub.name)


def _gvk(group: str, version: str, kind: str) -> dict[str, Any]:
    return {"group": group, "version": version, "kind": kind}


def storage_version_hash(group: str, version: str, kind: str) -> str:
    """Upstream's opaque name for what an object is stored as."""
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()
