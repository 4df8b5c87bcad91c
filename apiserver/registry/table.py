"""Tables: the columns of a kind and the cells of one object, which ``kubectl get`` prints as they are.

The server decides what a person sees (``meta.k8s.io/v1`` Table); columns of priority 1 show only with ``-o wide``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from minikube_py.api.meta import name_of, parse_time
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object

NAME_DESCRIPTION = "The object's name, unique among its kind in a namespace."
CREATED_DESCRIPTION = "When the object was created, by the server's clock."
UNKNOWN = "<unknown>"
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``type`` is an OpenAPI type, ``priority`` 0 shows always, 1 with ``-o wide``."""

    name: str
    type: str = "string"
    description: str = ""
    priority: int = 0
    format: str = ""

    def to_json(self) -> dict[str, Any]:
        """The column as ``columnDefinitions`` shows it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def _no_conditions(_obj: Object) -> list[dict[str, str]]:
    return []


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of a kind and the function that gives an object's cells, in the same order.

    ``conditions`` gives a row's own conditions (a pod that ended is ``Completed``).
    """

    columns: tuple[Column, ...]
    cells: Callable[[Object, datetime], list[Any]]
    conditions: Callable[[Object], list[dict[str, str]]] = _no_conditions

    def row(self, obj: Object, now: datetime) -> list[Any]:
        """The cells of one object. Never raises: a malformed stored object shows what can be shown."""
        return self.cells(obj, now)


NAME = Column("Name", description=NAME_DESCRIPTION, format="name")
AGE = Column("Age", description=CREATED_DESCRIPTION)


def wide(name: str, description: str, type_: str = "string") -> Column:
    """A column that shows only with ``-o wide``."""
    return Column(name, type_, description, priority=1)


def age(obj: Object, now: datetime) -> str:
    """How old the object is, in kubectl's short form."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def since(timestamp: str | None, now: datetime) -> str:
    """How long ago ``timestamp`` was, ``<unknown>`` without one."""
    if not timestamp:
        return UNKNOWN
    try:
        seconds = (now - parse_time(timestamp)).total_seconds()
    except ValueError:
        return UNKNOWN
    return human_duration(seconds)


def human_duration(seconds: float) -> str:
    """A length of time with about two significant figures, as ``apimachinery/pkg/util/duration`` shows it."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    minutes, hours = whole // 60, whole // 3600
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(hours // 24, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{hours // 24}d"
    if hours < 24 * 365 * 8:
        return _two(hours // 24 // 365, "y", hours // 24 % 365, "d")
    return f"{hours // 24 // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def format_labels(labels: dict[str, str] | None) -> str:
    """Labels as a selector's query form, ``<none>`` without any."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def format_selector(selector: dict[str, Any] | None) -> str:
    """A ``metav1.LabelSelector`` in its query form; ``<none>`` where it selects everything or is absent."""
    text = str(label_selector_of(selector)) if selector else ""
    return text or NONE


def container_cells(template: dict[str, Any] | None) -> list[str]:
    """Names and images of a pod template's containers."""
    containers = ((template or {}).get("spec") or {}).get("containers") or ()
    return [",".join(str(item.get(field) or "") for item in containers) for field in ("name", "image")]


def _created_at(obj: Object, _now: datetime) -> list[Any]:
    return [name_of(obj), obj["metadata"].get("creationTimestamp") or UNKNOWN]


CONTAINERS = wide("Containers", "Names of the template's containers.")
IMAGES = wide("Images", "Images of the template's containers.")
SELECTOR = wide("Selector", "Labels of the pods that belong to it.")

#: Kinds without a printer of their own.
CREATED_AT_TABLE = Table((NAME, Column("Created At", "date", CREATED_DESCRIPTION)), _created_at)
