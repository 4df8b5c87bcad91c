"""Which form of answer a client asks for: objects, Tables or metadata only; as JSON, YAML or protobuf (RFC 9110)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from minikube_py.api.errors import NotAcceptable

Shape = Literal["plain", "table", "partial"]

#: What a client is told whose Accept header names no form that there is.
NO_FORM = (
    "only the following media types are accepted: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf"
)
_JSON = ("application/json", "*/*", "application/*")
PROTOBUF = "application/vnd.kubernetes.protobuf"
_YAML = ("application/yaml", "application/x-yaml")
_SHAPES: dict[str, Shape] = {
    "Table": "table",
    "PartialObjectMetadata": "partial",
    "PartialObjectMetadataList": "partial",
}
_META_VERSIONS = ("v1", "v1beta1")


class Wanted(NamedTuple):
    """A negotiated form. ``version`` is that of meta.k8s.io for Tables and partial objects."""

    shape: Shape = "plain"
    version: str = "v1"
    yaml: bool = False
    protobuf: bool = False


class Clause(NamedTuple):
    """One media type of an Accept header with its parameters."""

    media_type: str
    parameters: dict[str, str]


def parse_accept(header: str) -> list[Clause]:
    """The clauses of an Accept header, best first (by q, then by order)."""
    ranked: list[tuple[float, int, Clause]] = []
    for position, text in enumerate(header.split(",")):
        media_type, *pairs = (part.strip() for part in text.split(";"))
        parameters = dict(pair.partition("=")[::2] for pair in pairs)
        ranked.append((-_quality(parameters.pop("q", "1")), position, Clause(media_type.lower(), parameters)))
    return [clause for _, _, clause in sorted(ranked, key=lambda entry: entry[:2])]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


@lru_cache(maxsize=256)
def negotiate(header: str) -> Wanted:
    """The first form we can give. Raises NotAcceptable."""
    if not header:
        return Wanted()
    for clause in parse_accept(header):
        wanted = _wanted(clause)
        if wanted is not None:
            return wanted
    raise NotAcceptable(NO_FORM)


def _wanted(clause: Clause) -> Wanted | None:
    if clause.media_type not in _JSON and clause.media_type not in _YAML and clause.media_type != PROTOBUF:
        return None
    plain = Wanted(yaml=clause.media_type in _YAML, protobuf=clause.media_type == PROTOBUF)
    kind = clause.parameters.get("as")
    if kind is None:
        return plain
    version = clause.parameters.get("v", "")
    shape = _SHAPES.get(kind)
    if shape is None or clause.parameters.get("g") != "meta.k8s.io" or version not in _META_VERSIONS:
        return None
    if shape == "table" and plain.protobuf:
        return None  # Tables have no protobuf form
    return plain._replace(shape=shape, version=version)
