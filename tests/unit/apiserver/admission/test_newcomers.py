"""What new Nodes and Ingresses are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.newcomers import DefaultIngressClass, TaintNodesByCondition
from apiserver.auth.identity import LOOPBACK
from minikube_py.api.resources import INGRESSES, NODES, Resource
from minikube_py.api.types import Object

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class Classes:
    def __init__(self, **times: str) -> None:
        mark = {"ingressclass.kubernetes.io/is-default-class": "true"}
        self._found = [
            {
                "metadata": {
                    "name": name,
                    "creationTimestamp": time.rstrip("*"),
                    "annotations": mark if "*" in time else {},
                }
            }
            for name, time in times.items()
        ]

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        raise NotImplementedError

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        return self._found


def asked(
    resource: Resource, obj: Object, classes: Classes | None = None, operation: Operation = "CREATE"
) -> Attributes:
    return Attributes(operation=operation, resource=resource, user=LOOPBACK, reader=classes or Classes(), obj=obj)


@pytest.mark.parametrize(
    ("spec", "taints"),
    [
        ({}, [TAINT]),
        ({"taints": [{"key": "a", "effect": "NoExecute"}]}, [{"key": "a", "effect": "NoExecute"}, TAINT]),
        ({"taints": [TAINT]}, [TAINT]),
    ],
)
def test_a_new_node_is_not_ready_yet(spec: dict[str, Any], taints: list[Any]) -> None:
    node = {"metadata": {"name": "n"}, "spec": spec}
    TaintNodesByCondition().admit(asked(NODES, node))
    assert node["spec"]["taints"] == taints


def test_a_known_node_is_left_alone() -> None:
    node: Object = {"metadata": {"name": "n"}}
    TaintNodesByCondition().admit(asked(NODES, node, operation="UPDATE"))
    assert "spec" not in node


@pytest.mark.parametrize(
    ("ingress", "classes", "chosen"),
    [
        ({}, Classes(a="1", b="2*", c="3*"), "c"),
        ({}, Classes(b="2*", a="2*"), "a"),
        ({}, Classes(a="1"), None),
        ({"spec": {"ingressClassName": "mine"}}, Classes(a="1*"), "mine"),
        ({"metadata": {"annotations": {"kubernetes.io/ingress.class": "old"}}}, Classes(a="1*"), None),
    ],
)
def test_an_ingress_belongs_to_the_default_class(ingress: Object, classes: Classes, chosen: str | None) -> None:
    obj = {"metadata": {"name": "i"}, "spec": {}} | ingress
    DefaultIngressClass().admit(asked(INGRESSES, obj, classes))
    assert obj["spec"].get("ingressClassName") == chosen
