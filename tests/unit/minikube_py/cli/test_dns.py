"""Which names a resolver asks for, in which order."""

from __future__ import annotations

import pytest

from minikube_py.cli.dns import Resolver, names_tried, parse_resolv_conf

POD = Resolver("n1", ("default.svc.cluster.local", "svc.cluster.local"), 5)


@pytest.mark.parametrize(
    ("wanted", "resolver", "names"),
    [
        ("web", POD, ["web.default.svc.cluster.local.", "web.svc.cluster.local.", "web."]),
        ("web.default.svc.cluster.local.", POD, ["web.default.svc.cluster.local."]),
        (
            "a.b.c.d.e.f",
            POD,
            ["a.b.c.d.e.f.", "a.b.c.d.e.f.default.svc.cluster.local.", "a.b.c.d.e.f.svc.cluster.local."],
        ),
        ("www.example", Resolver("n1", ("lab",), 1), ["www.example.", "www.example.lab."]),
        ("www", Resolver("n1", (), 1), ["www."]),
    ],
)
def test_names_in_the_order_of_a_resolver(wanted: str, resolver: Resolver, names: list[str]) -> None:
    assert list(names_tried(wanted, resolver)) == names


def test_a_pods_own_file_tells() -> None:
    text = "search a.example b.example\nnameserver 10.96.0.10\nnameserver 8.8.8.8\noptions ndots:2 edns0\n"
    assert parse_resolv_conf(text, "n1") == Resolver("n1", ("a.example", "b.example"), 2, ("10.96.0.10", "8.8.8.8"))
    assert parse_resolv_conf("", "n1").ndots == 1
