"""What is told of front ends that are not served."""

from __future__ import annotations

from minikube_py.api.types import ObjectKey
from minikube_py.dataplane.model import Frontend, Scope
from minikube_py.dataplane.problems import ProblemTeller
from tests.support.planes import route_to

AT = Frontend(Scope.HOST, "127.0.0.1", 30007, "TCP")


def test_a_problem_is_told_once_until_it_is_solved_or_another() -> None:
    said: list[tuple[ObjectKey, str]] = []
    teller, routes = ProblemTeller(lambda key, text: said.append((key, text))), {AT: route_to(AT)}
    for problems in ({}, {AT: "taken"}, {AT: "taken"}, {AT: "forbidden"}, {}, {AT: "taken"}):
        teller.look(problems, routes)
    texts = [text.partition(": ")[2] for _, text in said]
    assert texts == ["taken", "forbidden", "taken"]
    assert said[0] == (ObjectKey("default", "web"), "127.0.0.1:30007/TCP (host) is not served: taken")


def test_what_has_no_service_any_more_is_not_told() -> None:
    ProblemTeller(lambda *_: (_ for _ in ()).throw(AssertionError)).look({AT: "taken"}, {})
