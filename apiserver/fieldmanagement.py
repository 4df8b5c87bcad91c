"""Field management joined to the write path: who wrote is read from the request, what they wrote from the objects.

The rules are in ``apiserver.schema.managedfields``; this module only knows both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from apiserver.routes.bodies import validation_of
from apiserver.routes.conversion import other_versions
from apiserver.routes.options import WriteOptions
from apiserver.routes.writing import WriteRequest
from apiserver.schema import yamltext
from apiserver.schema.managedfields.manager import Author, FieldManagement
from apiserver.schema.managedfields.versions import Translation, Translations
from apiserver.schema.schema import FieldValidation, Kind, Schema
from minikube_py.api.errors import BadRequest
from minikube_py.api.meta import format_time
from minikube_py.api.patch import json_type
from minikube_py.api.resources import (
    CSINODES,
    DEPLOYMENTS,
    FLOWSCHEMAS,
    PRIORITYLEVELCONFIGURATIONS,
    RESOURCECLAIMS,
    SERVICECIDRS,
    VOLUMEATTACHMENTS,
    Resource,
)
from minikube_py.api.types import Object

SCALE = Kind("autoscaling", "v1", "Scale")
_TARGET = "map[string]interface {}"


class FieldTracker:
    """Follows every write, and applies configurations: the two hooks of the write path."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._fields = FieldManagement(schema.model, schema.completer)
        self._others: dict[Resource, Translations] = {}
        self._scale = schema.model.kind(*SCALE) or ""

    def track(self, new: Object, old: Object | None, request: WriteRequest) -> None:
        """Set the managedFields of ``new`` in place. An apply has set them already."""
        if request.apply:
            return
        served, resource = request.served, request.served.resource
        shown = new if served.conversion is None else served.show(new)
        self._fields.update(
            self._schema.model.of_resource(resource).name,
            old if old is None else served.show(old),
            shown,
            _author(request, resource),
            reset=_reset(request, resource),
            translations=self._translations(resource),
        )
        if shown is not new:
            _carry(shown["metadata"], new["metadata"])

    def _translations(self, resource: Resource) -> Translations:
        found = self._others.get(resource)
        if found is None:
            found = self._others[resource] = {
                other.api_version: Translation(self._schema.model.of_resource(other).name, convert)
                for other, convert in other_versions(resource)
            }
        return found

    def settle(self, new: Object, old: Object) -> None:
        """Take back a change of nothing but the times of managedFields."""
        self._fields.settle(old, new)

    def apply(self, present: Object | None, body: bytes, request: WriteRequest, options: WriteOptions) -> Object:
        """Server-side apply. Raises BadRequest, Conflict, OtherStatus."""
        resource = request.served.resource
        config = self._read(body, request, options)
        applied = self._fields.apply(
            self._schema.model.of_resource(resource).name,
            present,
            config,
            _author(request, resource),
            force=options.force,
            reset=_reset(request, resource),
            translations=self._translations(resource),
        )
        return self._schema.decode(applied, resource, FieldValidation.IGNORE).object

    def apply_scale(self, present: Object, body: bytes, request: WriteRequest, options: WriteOptions) -> Object:
        """Applying a Scale is applying ``spec.replicas`` of the workload, in the name of the subresource.

        Raises as ``apply`` does.
        """
        resource = request.served.resource
        scale = self._read(body, request, options)
        author = replace(_author(request, resource), time="")  # upstream's scales lose it
        self._fields.check(self._scale, scale, replace(author, api_version=SCALE.api_version))
        meta = present["metadata"]
        config = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {key: meta[key] for key in ("name", "namespace") if key in meta},
            "spec": {key: value for key, value in (scale.get("spec") or {}).items() if key == "replicas"},
        }
        name = self._schema.model.of_resource(resource).name
        applied = self._fields.apply(name, present, config, author, force=options.force)
        return self._schema.decode(applied, resource, FieldValidation.IGNORE).object

    def _read(self, body: bytes, request: WriteRequest, options: WriteOptions) -> Object:
        try:
            config, repeated = yamltext.parse(body)
        except yamltext.YAMLProblem as problem:
            raise BadRequest(f"error decoding YAML: {problem}") from None
        if not isinstance(config, dict):
            kind = json_type(config)
            raise BadRequest(f"error decoding YAML: json: cannot unmarshal {kind} into Go value of type {_TARGET}")
        mode = validation_of(options)
        if repeated and mode is not FieldValidation.IGNORE:
            text = "yaml: unmarshal errors:\n  " + "\n  ".join(repeated)
            if mode is FieldValidation.STRICT:
                raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {text}")
            request.warn([f"error converting YAML to JSON: {text}"])
        return config


def _author(request: WriteRequest, resource: Resource) -> Author:
    return Author(
        manager=request.manager,
        api_version=resource.api_version,
        time=format_time(request.now),
        subresource=request.followed_as or request.subresource,
    )


def _carry(shown: Object, stored: Object) -> None:
    """Managers are stored as they were worked out in the author's version."""
    if "managedFields" in shown:
        stored["managedFields"] = shown["managedFields"]
    else:
        stored.pop("managedFields", None)


#: What an update of status cannot set besides the spec (``GetResetFields`` of upstream's strategies).
_KEPT_BY_STATUS: Mapping[Resource, str] = MappingProxyType(
    {DEPLOYMENTS: "metadata.labels"}
    | dict.fromkeys(
        (CSINODES, FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS, RESOURCECLAIMS, SERVICECIDRS, VOLUMEATTACHMENTS),
        "metadata",
    )
)


def _reset(request: WriteRequest, resource: Resource) -> tuple[str, ...]:
    """What cannot be set here: status through the main path, spec (and more of some kinds) through the status path."""
    if request.subresource == "status":
        kept = _KEPT_BY_STATUS.get(resource)
        return ("spec", kept) if kept is not None else ("spec",)
    return ("status",) if not request.subresource and resource.subresource("status") else ()
