"""One request as the audit log tells it, stage by stage (``audit.k8s.io/v1`` Event). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from apiserver.audit.policy import API_VERSION, Level, Verdict
from apiserver.auth.identity import Identity
from apiserver.routes.request import RequestInfo
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import metadata, new_uid
from minikube_py.api.types import Object

#: Turns a request's body into an object, None where it is none.
Decoder = Callable[[bytes, str], Any]


@dataclass(slots=True)
class Asked:
    """Who asked, from where, for what."""

    info: RequestInfo
    uri: str
    user: Identity
    addresses: list[str]
    agent: str


@dataclass(slots=True)
class Told:
    """What is known about one request; grows while it is served."""

    asked: Asked
    verdict: Verdict
    received: datetime
    audit_id: str = field(default_factory=new_uid)
    annotations: dict[str, str] = field(default_factory=dict)
    request_object: Any = None
    response: list[bytes] = field(default_factory=list)
    status: int = 0
    error: StatusError | None = None
    impersonated: Identity | None = None

    def event(self, stage: str, now: datetime) -> Object:
        """The event of one stage."""
        level, info = self.verdict.level, self.asked.info
        found: Object = {
            "kind": "Event",
            "apiVersion": API_VERSION,
            "level": level.text,
            "auditID": self.audit_id,
            "stage": stage,
            "requestURI": self.asked.uri,
            "verb": info.verb,
            "user": self.asked.user.to_json() if self.asked.user.name else None,
            "impersonatedUser": self.impersonated.to_json() if self.impersonated else None,
            "sourceIPs": self.asked.addresses,
            "userAgent": self.asked.agent,
            "objectRef": _reference(info, self.request_object) if info.is_resource else None,
            "responseStatus": self._response_status() if self.status else None,
            "requestObject": self._shown(self.request_object) if level >= Level.REQUEST else None,
            "responseObject": self._shown(self._answer()) if level >= Level.REQUEST_RESPONSE else None,
            "requestReceivedTimestamp": _micro_time(self.received),
            "stageTimestamp": _micro_time(now),
            "annotations": self.annotations,
        }
        return {name: value for name, value in found.items() if value not in (None, "", {}, [])}

    def _response_status(self) -> Object:
        if self.error is None:
            return {"metadata": {}, "code": self.status}
        shown = self.error.to_status()
        kept: Object = {
            name: shown[name] for name in ("status", "message", "reason", "details", "code") if name in shown
        }
        return {"metadata": {}, **kept}

    def _answer(self) -> Any:
        try:
            return orjson.loads(b"".join(self.response)) if self.response else None
        except orjson.JSONDecodeError:
            return None

    def _shown(self, obj: Any) -> Any:
        return _without_managers(obj) if self.verdict.omit_managed_fields else obj


def _reference(info: RequestInfo, obj: Any) -> Object:
    meta = metadata(obj) if isinstance(obj, dict) else {}
    found = {
        "resource": info.plural,
        "namespace": info.namespace,
        "name": info.name or str(meta.get("name") or ""),
        "uid": str(meta.get("uid") or ""),
        "apiGroup": info.group,
        "apiVersion": info.version,
        "resourceVersion": str(meta.get("resourceVersion") or ""),
        "subresource": info.subresource,
    }
    return {name: value for name, value in found.items() if value}


def _without_managers(obj: Any) -> Any:
    if not isinstance(obj, dict):
        return obj
    shown = dict(obj)
    if isinstance(obj.get("metadata"), dict):
        shown["metadata"] = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    if isinstance(obj.get("items"), list):
        shown["items"] = [_without_managers(item) for item in obj["items"]]
    return shown


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lines(events: Iterator[Object]) -> bytes:
    """Events as JSON lines."""
    return b"".join(orjson.dumps(event) + b"\n" for event in events)
