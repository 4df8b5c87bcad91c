"""Every pod tolerates a silent node for a while, also one whose author has replaced its tolerations."""

from __future__ import annotations

from typing import Literal

import pytest

from apiserver.admission.chain import Attributes
from apiserver.admission.pods import DefaultTolerationSeconds
from apiserver.auth.identity import Identity
from apiserver.registry.context import EmptyReader
from minikube_py.api.resources import PODS


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_new_and_changed_pods(operation: Literal["CREATE", "UPDATE"]) -> None:
    own = {"key": "x", "operator": "Exists"}
    pod = {"metadata": {"name": "web"}, "spec": {"tolerations": [own]}}
    user = Identity(name="admin")
    attributes = Attributes(operation=operation, resource=PODS, user=user, reader=EmptyReader(), obj=pod)
    DefaultTolerationSeconds().admit(attributes)
    DefaultTolerationSeconds().admit(attributes)
    keys = [one["key"] for one in pod["spec"]["tolerations"]]  # type: ignore[index]
    assert keys == ["x", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
