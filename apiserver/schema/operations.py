"""The operations of the API as OpenAPI describes them: every path, its methods, parameters, bodies and answers.

Clients look here for more than documentation: kubectl asks for server-side validation only where a PATCH lists
``fieldValidation``, and for strategic merge patches only where their content type is listed. Names follow upstream's
``pkg/endpoints/openapi``, because generated clients are named after them.

Written once, in OpenAPI 3 form; ``as_v2`` turns an operation into its OpenAPI 2 form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from minikube_py.api.patch import PatchKind
from minikube_py.api.resources import Resource, Subresource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
READ_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
WATCH_TYPES = (*READ_TYPES, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
PATCH_TYPES = tuple(str(kind) for kind in PatchKind)

Operation = dict[str, Any]

#: name -> (type, what it does), in the query of a request.
_PARAMETERS: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Ask for BOOKMARK events in a watch."),
    "continue": ("string", "The continue token of the page before."),
    "dryRun": ("string", "Process the request without persisting its result. The only value is All."),
    "fieldManager": ("string", "The name of the actor who is making this change."),
    "fieldSelector": ("string", "Restrict the answer to objects whose fields have these values."),
    "fieldValidation": ("string", "What to do about unknown or duplicate fields: Ignore, Warn (default), Strict."),
    "force": ("boolean", "Take over fields that other managers own. For apply patches only."),
    "gracePeriodSeconds": ("integer", "Seconds until the object is deleted; 0 deletes at once."),
    "ignoreStoreReadErrorWithClusterBreakingPotential": ("boolean", "Delete an object that cannot be read. Unsafe."),
    "labelSelector": ("string", "Restrict the answer to objects with these labels."),
    "limit": ("integer", "The largest number of objects in one answer."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "pretty": ("string", "If true, the output is indented."),
    "propagationPolicy": ("string", "Whether and how dependents are deleted: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "The revision that the answer must have, or must not be older than."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with the present state, ended by a bookmark."),
    "timeoutSeconds": ("integer", "The longest duration of a list or watch."),
    "watch": ("boolean", "Watch for changes instead of listing."),
}  # fmt: skip
_LISTING = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
_CREATING = ("dryRun", "fieldManager", "fieldValidation")
_PATCHING = ("dryRun", "fieldManager", "fieldValidation", "force")
_DELETING = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
    "propagationPolicy",
)  # fmt: skip
_DELETING_MANY = tuple(sorted({*_DELETING, *_LISTING} - {"allowWatchBookmarks", "watch"}))
_METHODS = {"create": "post", "update": "put", "patch": "patch", "get": "get", "delete": "delete"}


def paths(resources: Iterable[Resource], definition: dict[tuple[str, str, str], str]) -> dict[str, Any]:
    """The path items of these resources. ``definition`` names the schema of a (group, version, kind)."""
    found: dict[str, Any] = {}
    for resource in resources:
        found |= _Writer(resource, definition).path_items()
    return dict(sorted(found.items()))


class _Writer:
    """Writes the path items of one resource."""

    def __init__(self, resource: Resource, definition: dict[tuple[str, str, str], str]) -> None:
        self._resource = resource
        self._definition = definition
        self._group = group_name(resource.group)
        self._scope = "Namespaced" if resource.namespaced else ""

    def path_items(self) -> dict[str, Any]:
        resource = self._resource
        root = resource.path("{namespace}" if resource.namespaced else None)
        found: dict[str, Any] = {root: self._collection()}
        if resource.namespaced and "list" in resource.verbs:
            everywhere = self._listing(f"list{self._id()}{resource.kind}ForAllNamespaces")
            found[resource.path()] = _item({"get": everywhere}, (), everywhere=True)
        if {"get", "update", "patch"} & set(resource.verbs):
            found[f"{root}/{{name}}"] = self._object()
        for sub in resource.subresources:
            path = f"{root}/{{name}}/{sub.name}"
            found[path] = self._subresource(sub)
            if sub.name == "proxy":
                found[f"{path}/{{path}}"] = self._subresource(sub, with_path=True)
        return found

    def _id(self) -> str:
        return f"{self._group}{self._resource.version.capitalize()}"

    def _collection(self) -> dict[str, Any]:
        resource, target = self._resource, f"{self._scope}{self._resource.kind}"
        operations: dict[str, Operation] = {}
        if "list" in resource.verbs:
            operations["get"] = self._listing(f"list{self._id()}{target}")
        if "create" in resource.verbs:
            operations["post"] = self._writing("create", f"create{self._id()}{target}", "post", _CREATING)
        if "deletecollection" in resource.verbs:
            name = f"delete{self._id()}Collection{target}"
            operations["delete"] = self._deleting(name, "deletecollection", _DELETING_MANY)
        return _item(operations, self._place())

    def _object(self) -> dict[str, Any]:
        verbs, target = self._resource.verbs, f"{self._scope}{self._resource.kind}"
        operations: dict[str, Operation] = {}
        if "get" in verbs:
            operations["get"] = self._reading(f"read{self._id()}{target}")
        if "update" in verbs:
            operations["put"] = self._writing("replace", f"replace{self._id()}{target}", "put", _CREATING)
        if "patch" in verbs:
            operations["patch"] = self._patching(f"patch{self._id()}{target}")
        if "delete" in verbs:
            operations["delete"] = self._deleting(f"delete{self._id()}{target}", "delete", _DELETING)
        return _item(operations, (*self._place(), "name"))

    def _place(self) -> tuple[str, ...]:
        return ("namespace",) if self._resource.namespaced else ()

    def _subresource(self, sub: Subresource, *, with_path: bool = False) -> dict[str, Any]:
        target = f"{self._scope}{self._resource.kind}{sub.name[:1].upper()}{sub.name[1:]}"
        place = (*self._place(), "name", *(("path",) if with_path else ()))
        if sub.kind is not None and sub.kind.endswith("Options"):
            return _item(self._connecting(sub, f"{target}{'WithPath' if with_path else ''}"), place)
        kind = self._kind_of(sub)
        operations: dict[str, Operation] = {}
        for verb in sub.verbs:
            if verb == "get":
                operations["get"] = self._reading(f"read{self._id()}{target}", kind)
            elif verb == "patch":
                operations["patch"] = self._patching(f"patch{self._id()}{target}", kind)
            elif verb == "create":
                operations["post"] = self._writing("create", f"create{self._id()}{target}", "post", _CREATING, kind)
            elif verb == "update":
                operations["put"] = self._writing("replace", f"replace{self._id()}{target}", "put", _CREATING, kind)
        return _item(operations, place)

    def _connecting(self, sub: Subresource, target: str) -> dict[str, Operation]:
        kind = self._kind_of(sub)
        return {
            (method := _METHODS[verb]): {
                "description": f"connect {method.upper()} requests to {sub.name} of {self._resource.kind}",
                "operationId": f"connect{self._id()}{method.capitalize()}{target}",
                "tags": [self._tag()],
                "responses": _responses({"type": "string"}, ("*/*",)),
                "x-kubernetes-action": "connect",
                "x-kubernetes-group-version-kind": _gvk(kind),
            }
            for verb in sub.verbs
        }

    def _kind_of(self, sub: Subresource) -> tuple[str, str, str]:
        resource = self._resource
        group = resource.group if sub.group is None else sub.group
        return group, sub.version or resource.version, sub.kind or resource.kind

    def _own(self) -> tuple[str, str, str]:
        return self._resource.group, self._resource.version, self._resource.kind

    def _tag(self) -> str:
        return f"{self._group[:1].lower()}{self._group[1:]}_{self._resource.version}"

    def _operation(
        self, action: str, name: str, kind: tuple[str, str, str], verb: str, parameters: Iterable[str]
    ) -> Operation:
        listed = [parameter(found) for found in parameters]
        return {
            "description": f"{verb} {self._resource.kind}",
            "operationId": name,
            "tags": [self._tag()],
            **({"parameters": listed} if listed else {}),  # Go's clients lose an empty list when they write it again
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(kind),
        }

    def _schema(self, kind: tuple[str, str, str]) -> dict[str, Any]:
        return _reference(self._definition[kind]) if kind in self._definition else {"type": "object"}

    def _listing(self, name: str) -> Operation:
        group, version, kind = self._own()
        schema = self._schema((group, version, f"{kind}List"))
        operation = self._operation("list", name, self._own(), "list or watch objects of kind", _LISTING)
        return operation | {"responses": _responses(schema, WATCH_TYPES)}

    def _reading(self, name: str, kind: tuple[str, str, str] | None = None) -> Operation:
        kind = kind or self._own()
        return self._operation("get", name, kind, "read the specified", ()) | {
            "responses": _responses(self._schema(kind), READ_TYPES)
        }

    def _writing(
        self, verb: str, name: str, action: str, parameters: tuple[str, ...], kind: tuple[str, str, str] | None = None
    ) -> Operation:
        kind = kind or self._own()
        schema = self._schema(kind)
        codes = ("200", "201", "202") if action == "post" else ("200", "201")
        return self._operation(action, name, kind, verb, parameters) | {
            "requestBody": _body(schema, ("*/*",), required=True),
            "responses": _responses(schema, READ_TYPES, codes),
        }

    def _patching(self, name: str, kind: tuple[str, str, str] | None = None) -> Operation:
        kind = kind or self._own()
        return self._operation("patch", name, kind, "partially update the specified", _PATCHING) | {
            "requestBody": _body(_reference(f"{_META}.Patch"), PATCH_TYPES, required=True),
            "responses": _responses(self._schema(kind), READ_TYPES, ("200", "201")),
        }

    def _deleting(self, name: str, action: str, parameters: tuple[str, ...]) -> Operation:
        codes = ("200", "202") if action == "delete" else ("200",)
        return self._operation(action, name, self._own(), "delete", parameters) | {
            "requestBody": _body(_reference(f"{_META}.DeleteOptions"), ("*/*",)),
            "responses": _responses(_reference(f"{_META}.Status"), READ_TYPES, codes),
        }


def group_name(group: str) -> str:
    """``rbac.authorization.k8s.io`` -> ``RbacAuthorization``: the group in an operation's id."""
    bare = re.sub(r"\.k8s\.io$", "", group) or "core"
    return "".join(part.capitalize() for part in re.split(r"[.-]", bare))


def parameter(name: str, place: str = "query") -> dict[str, Any]:
    """An OpenAPI 3 parameter."""
    if place == "path":
        what = {"namespace": "object name and auth scope, such as for teams and projects", "name": "name of the object"}
        text = what.get(name, "path to the resource")
        return _parameter(name, place, "string", text) | {"required": True}
    kind, text = _PARAMETERS[name]
    return _parameter(name, place, kind, text)


def _parameter(name: str, place: str, kind: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": place, "description": text, "schema": {"type": kind, "uniqueItems": True}}


def _item(operations: dict[str, Operation], place: Iterable[str], *, everywhere: bool = False) -> dict[str, Any]:
    shared = [parameter(name, "path") for name in place] + [parameter("pretty")]
    if everywhere:
        shared = [parameter("pretty")]
    return {**operations, "parameters": shared}


def _gvk(kind: tuple[str, str, str]) -> dict[str, str]:
    return {"group": kind[0], "kind": kind[2], "version": kind[1]}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: dict[str, Any], types: Iterable[str]) -> dict[str, Any]:
    return {media_type: {"schema": schema} for media_type in types}


def _body(schema: dict[str, Any], types: Iterable[str], *, required: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"content": _content(schema, types)}
    return body | {"required": True} if required else body


def _responses(schema: dict[str, Any], types: Iterable[str], codes: Iterable[str] = ("200",)) -> dict[str, Any]:
    words = {"200": "OK", "201": "Created", "202": "Accepted"}
    types = tuple(types)
    found = {code: {"description": words[code], "content": _content(schema, types)} for code in codes}
    return found | {"401": {"description": "Unauthorized"}}


def as_v2(path_item: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI 2 form of a path item."""
    result: dict[str, Any] = {}
    for key, value in path_item.items():
        result[key] = [_parameter_v2(found) for found in value] if key == "parameters" else _operation_v2(value)
    return result


def _parameter_v2(found: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in found.items() if key != "schema"}
    return kept | {"type": found["schema"]["type"], "uniqueItems": True}


def _operation_v2(operation: Operation) -> Operation:
    result = {key: value for key, value in operation.items() if key not in ("requestBody", "responses", "parameters")}
    parameters = [_parameter_v2(found) for found in operation.get("parameters", ())]
    body = operation.get("requestBody")
    result["consumes"] = ["*/*"]
    if body:
        result["consumes"] = list(body["content"])
        schema = next(iter(body["content"].values()))["schema"]
        needed = {"required": True} if body.get("required") else {}
        parameters.insert(0, {"name": "body", "in": "body", **needed, "schema": _schema_v2(schema)})
    answers = operation["responses"]
    result |= {"parameters": parameters} if parameters else {}
    result["produces"] = list(answers["200"]["content"])
    result["responses"] = {code: _answer_v2(answer) for code, answer in answers.items()}
    result["schemes"] = ["https"]
    return result


def _answer_v2(answer: dict[str, Any]) -> dict[str, Any]:
    content = answer.get("content")
    if not content:
        return {"description": answer["description"]}
    schema = next(iter(content.values()))["schema"]
    return {"description": answer["description"], "schema": _schema_v2(schema)}


def _schema_v2(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return {"$ref": reference.replace("#/components/schemas/", "#/definitions/")} if reference else schema
