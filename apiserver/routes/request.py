"""What a request asks for, read from its method, path and query: the basis of routing and of authorization."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")

Query = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request. ``group`` … ``rest`` mean something only where ``is_resource``; ``rest`` is the path after a proxy.

    ``verb`` is the API verb (get, list, watch, create, update, patch, delete, deletecollection) for resources and the
    lower-case HTTP method for other paths.
    """

    method: str
    path: str
    verb: str
    query: Query = field(default_factory=dict)
    is_resource: bool = False
    group: str = ""
    version: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def name_in_path(self) -> bool:
        """Whether the request is about one object, rather than a collection narrowed to one name."""
        return bool(self.name) and self.verb not in ("list", "watch", "deletecollection")

    def parameter(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default


def parse_query(text: str) -> Query:
    """A query string as lists of values."""
    found: Query = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


def is_true(text: str) -> bool:
    """A boolean query parameter, as Go's conversion reads it: anything but "", "0" and "false" is true."""
    return text.lower() not in ("", "0", "false")


def parse_request(method: str, target: str) -> RequestInfo:
    """Read a request line's method and target."""
    path, _, query_text = target.partition("?")
    query = parse_query(query_text) if query_text else {}
    segments = [unquote(part) if "%" in part else part for part in path.strip("/").split("/")]
    if segments[0] == "api" and len(segments) > 2:
        return _resource(method, path, query, "", segments[1], segments[2:])
    if segments[0] == "apis" and len(segments) > 3:
        return _resource(method, path, query, segments[1], segments[2], segments[3:])
    return RequestInfo(method, path, method.lower(), query)


def _resource(method: str, path: str, query: Query, group: str, version: str, parts: list[str]) -> RequestInfo:
    verb = _VERBS.get(method, method.lower())
    if parts[0] == "watch" and len(parts) > 1:
        verb, parts = "watch", parts[1:]
    namespace, parts = _split_namespace(parts)
    plural, name, subresource, *rest = [*parts, "", "", ""][: max(3, len(parts))]
    if not name:
        verb = _collection_verb(verb, query)
        name = _selected_name(verb, query)
    return RequestInfo(
        method, path, verb, query, True, group, version, plural, namespace, name, subresource, "/".join(rest)
    )


def _split_namespace(parts: list[str]) -> tuple[str, list[str]]:
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
        return parts[1], parts[2:]
    return parts[1], parts


def _collection_verb(verb: str, query: Query) -> str:
    if verb == "get":
        return "watch" if any(is_true(value) for value in query.get("watch", ())) else "list"
    return "deletecollection" if verb == "delete" else verb


def _selected_name(verb: str, query: Query) -> str:
    """A list or watch of one name is authorized as that name, so that roles with resourceNames apply."""
    if verb not in ("list", "watch", "deletecollection"):
        return ""
    for selector in query.get("fieldSelector", ()):
        if selector.startswith("metadata.name=") and "," not in selector:
            return selector.removeprefix("metadata.name=").removeprefix("=")
    return ""
