"""What is wrong with an address, and what is to be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from minikube_py.api.meta import format_time, key_of
from minikube_py.api.types import Object
from minikube_py.controllers.servicecidrs.addresses import Judgement, Repair, address_for, judge

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IP = "10.96.0.9"


def service(name: str = "web", *ips: str, age: float = 1000, kind: str = "ClusterIP") -> Object:
    meta = {"namespace": "default", "name": name, "creationTimestamp": format_time(NOW - timedelta(seconds=age))}
    return {"metadata": meta, "spec": {"type": kind, "clusterIPs": list(ips)}}


def held(by: Object, *, age: float = 1000, labels: bool = True, **parent: Any) -> Object:
    made = address_for(IP, by)
    made["metadata"]["creationTimestamp"] = format_time(NOW - timedelta(seconds=age))
    made["metadata"]["labels"] = made["metadata"]["labels"] if labels else {}
    made["spec"]["parentRef"] |= parent
    return made


def judged(found: Object | None, *services: Object, covered: bool = True) -> Judgement:
    known = {key_of(each): each for each in services}
    holders = [each for each in services if IP in each["spec"]["clusterIPs"]]
    return judge(IP, found, holders, services=known.get, covered=covered, now=NOW)


WEB, OTHER, YOUNGER = service("web", IP), service("other"), service("younger", IP, age=10)
_FOREIGN = {"group": "gateway.networking.k8s.io", "resource": "gateways"}


@pytest.mark.parametrize(
    ("found", "services", "repair", "reason"),
    [
        (held(WEB), [WEB], "nothing", None),
        (None, [], "nothing", None),
        (None, [WEB], "create", "ClusterIPNotAllocated"),
        (held(WEB, **_FOREIGN), [WEB], "recreate", "ClusterIPNotAllocated"),
        (held(OTHER), [WEB], "recreate", "ClusterIPNotAllocated"),
        (held(OTHER), [WEB, OTHER], "recreate", "ClusterIPNotAllocated"),
        (held(WEB, labels=False), [WEB], "recreate", None),
        (held(WEB), [WEB, YOUNGER], "nothing", "ClusterIPAlreadyAllocated"),
        (held(WEB), [], "delete", "IPAddressNotAllocated"),
        (held(WEB, age=10), [], "wait", None),
        (held(OTHER), [OTHER], "delete", "IPAddressWrongReference"),
        (held(service("young", age=20), age=3), [service("young", age=20)], "wait", None),
        (held(service("n"), age=50), [service("n", kind="ExternalName")], "wait", None),
        (held(service("n"), age=70), [service("n", kind="ExternalName")], "delete", "IPAddressWrongReference"),
        (held(WEB, **_FOREIGN), [], "delete", "IPAddressNotAllocated"),
        (held(WEB, labels=False), [], "nothing", None),
    ],
)
def test_judgements(found: Object | None, services: list[Object], repair: str, reason: str | None) -> None:
    judgement = judged(found, *services)
    assert judgement.repair is Repair(repair)
    assert [note.reason for note in judgement.notes] == ([reason] if reason else [])


def test_the_oldest_service_keeps_an_address_that_two_have() -> None:
    judgement = judged(None, YOUNGER, WEB)
    assert judgement.holder is WEB
    told = judged(held(WEB), YOUNGER, WEB)
    assert [note.about for note in told.notes] == [YOUNGER]


def test_an_address_outside_all_ranges_is_told_and_left() -> None:
    judgement = judged(None, WEB, covered=False)
    assert judgement.repair is Repair.NOTHING and judgement.notes[0].reason == "ClusterIPOutOfRange"


def test_waiting_ends_when_patience_does() -> None:
    assert judged(held(WEB, age=10)).seconds == 50
