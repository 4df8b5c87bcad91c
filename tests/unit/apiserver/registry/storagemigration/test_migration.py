"""StorageVersionMigrations."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import STORAGEVERSIONMIGRATIONS as MIGRATIONS

Object = dict[str, Any]
WHEN = "2026-01-02T03:04:05Z"


def _migration(plural: str = "deployments", group: str = "apps") -> Object:
    return {"metadata": {"name": "m"}, "spec": {"resource": {"resource": plural, "group": group}}}


def _conditions(*kinds: str) -> Object:
    rest = {"status": "True", "reason": "R", "lastTransitionTime": WHEN}
    return {"conditions": [{"type": kind} | rest for kind in kinds]}


def test_how_far_it_got_is_shown(registry: Any) -> None:
    created = registry.create(MIGRATIONS, _migration())
    assert list(registry.cells(MIGRATIONS, created).values()) == ["m", "deployments.apps", "Unknown"]
    done = registry.update(MIGRATIONS, created | {"status": _conditions("Succeeded")}, created, subresource="status")
    assert registry.cells(MIGRATIONS, done)["Status"] == "Succeeded"
    (said,) = registry.update_refused(MIGRATIONS, done | {"status": {}}, done, subresource="status")
    assert said.endswith("Success condition cannot be set to false once it is true")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (_migration(""), "spec.resource.resource: Required value: resource is required to be set"),
        (_migration("9x"), 'spec.resource.resource: Invalid value: "9x": a DNS-1035 label must'),
        (_migration(group="A"), 'spec.resource.group: Invalid value: "A": a lowercase RFC 1123 subdomain must'),
    ],
)
def test_what_is_refused(registry: Any, given: Object, expected: str) -> None:
    (said,) = registry.refused(MIGRATIONS, given)
    assert said.startswith(expected)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (_conditions("Succeeded", "Failed"), "Both success and failed conditions cannot be true at the same time"),
        (_conditions("Running", "Running"), 'status.conditions[1]: Duplicate value: "Running"'),
        ({"conditions": [{"type": "Running", "status": "True", "lastTransitionTime": WHEN}]},
         "status.conditions[0].reason: Required value"),
        ({"conditions": [{"type": "Running", "status": "So", "reason": "R", "lastTransitionTime": WHEN}]},
         'status.conditions[0].status: Unsupported value: "So": supported values: "False", "True", "Unknown"'),
        ({"resourceVersion": "x"},
         'status.resourceVersion: Invalid value: "x": resource version is not well formed: x'),
    ],
)  # fmt: skip
def test_what_a_migrator_may_not_say(registry: Any, status: Object, expected: str) -> None:
    created = registry.create(MIGRATIONS, _migration())
    (said,) = registry.update_refused(MIGRATIONS, created | {"status": status}, created, subresource="status")
    assert said.endswith(expected)


def test_what_is_migrated_stays(registry: Any) -> None:
    created = registry.create(MIGRATIONS, _migration())
    (said,) = registry.update_refused(MIGRATIONS, created | {"spec": _migration("pods", "")["spec"]}, created)
    assert said.endswith("field is immutable")
