"""The API's refusals about one named object, worded as ``apimachinery/pkg/api/errors`` words them."""

from __future__ import annotations

from typing import Any

from minikube_py.api.errors import AlreadyExists, Cause, Conflict, Forbidden, InternalError, NotFound, Timeout
from minikube_py.api.resources import Resource

OUTDATED = "the object has been modified; please apply your changes to the latest version and try again"


def _details(resource: Resource, name: str) -> dict[str, Any]:
    details = {"name": name, "kind": resource.plural}
    if resource.group:
        details["group"] = resource.group
    return details


def not_found(resource: Resource, name: str) -> NotFound:
    """No object of this name."""
    return NotFound(f'{resource.group_resource} "{name}" not found', details=_details(resource, name))


def unknown_resource() -> NotFound:
    """No resource of this name is served."""
    return NotFound("the server could not find the requested resource", details={})


def already_exists(resource: Resource, name: str) -> AlreadyExists:
    """The name is taken."""
    return AlreadyExists(f'{resource.group_resource} "{name}" already exists', details=_details(resource, name))


def generated_name_taken(resource: Resource, name: str) -> AlreadyExists:
    """Not even a random suffix was free."""
    message = (
        f'{resource.group_resource} "{name}" already exists, the server was not able to generate a unique name for '
        "the object"
    )
    return AlreadyExists(message, details=_details(resource, name), retry_after_seconds=1)


def conflict(resource: Resource, name: str, why: str = OUTDATED) -> Conflict:
    """The write does not build on the present state."""
    message = f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}'
    return Conflict(message, details=_details(resource, name))


def kind_conflict(resource: Resource, name: str, why: str) -> Conflict:
    """A failed precondition of a deletion: names the kind where others name the resource."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = _details(resource, name) | {"kind": resource.kind}
    return Conflict(f'Operation cannot be fulfilled on {kind} "{name}": {why}', details=details)


def refused(resource: Resource, name: str, why: str, *causes: Cause) -> Forbidden:
    """Admission or the registry says no."""
    message = f'{resource.group_resource} "{name}" is forbidden: {why}'
    return Forbidden(message, details=_details(resource, name), causes=causes)


def too_new(asked: int, current: int) -> Timeout:
    """A read at a revision that is not there yet."""
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        causes=[Cause("ResourceVersionTooLarge", "Too large resource version")],
        retry_after_seconds=1,
    )


def internal(why: str) -> InternalError:
    """Something broke on our side."""
    return InternalError(f"Internal error occurred: {why}", causes=[Cause("", why)])
