"""``Warning`` headers: what a client should know though its request was answered, or beside its refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from minikube_py.api.errors import StatusError
from minikube_py.api.resources import COMPONENTSTATUSES, ENDPOINTS, Resource

Header = tuple[str, str]

#: Resources that say at every request that they are on their way out.
_DEPRECATED: Mapping[Resource, str] = MappingProxyType(
    {
        ENDPOINTS: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        COMPONENTSTATUSES: "v1 ComponentStatus is deprecated in v1.19+",
    }
)


def warning_headers(texts: Iterable[str]) -> tuple[Header, ...]:
    """``Warning`` headers (RFC 7234, code 299), each text once."""
    return tuple(("Warning", f'299 - "{_escaped(text)}"') for text in dict.fromkeys(texts))


def deprecation_headers(resource: Resource) -> tuple[Header, ...]:
    """The warning of a deprecated resource."""
    return warning_headers(deprecations(resource))


def deprecations(resource: Resource) -> tuple[str, ...]:
    """What a request for a deprecated resource is warned of."""
    text = _DEPRECATED.get(resource)
    return (text,) if text else ()


@contextmanager
def warned(warnings: Iterable[str]) -> Iterator[None]:
    """A refusal raised within carries the warnings that have been gathered by then."""
    try:
        yield
    except StatusError as error:
        error.warnings = (*warnings, *error.warnings)
        raise


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
