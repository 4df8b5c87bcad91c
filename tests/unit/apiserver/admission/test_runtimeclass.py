"""What a RuntimeClass writes into a pod, and which pods it refuses."""

from __future__ import annotations

from typing import Any, cast

import pytest

from apiserver.admission.chain import Attributes
from apiserver.admission.runtimeclass import RuntimeClass
from apiserver.auth.identity import Identity
from apiserver.registry.context import Reader
from minikube_py.api.errors import Forbidden
from minikube_py.api.resources import PODS
from minikube_py.api.types import Object

USER = Identity(name="admin")
KEY = {"key": "sandboxed", "operator": "Exists"}
CLASS = {
    "metadata": {"name": "slow"},
    "handler": "slow",
    "overhead": {"podFixed": {"cpu": "10m", "memory": "1Mi"}},
    "scheduling": {"nodeSelector": {"disk": "ssd"}, "tolerations": [KEY]},
}


class Classes:
    def get(self, _resource: Any, _namespace: str, name: str) -> Object | None:
        return {"slow": CLASS, "plain": {"metadata": {"name": "plain"}}}.get(name)


def admitted(**spec: Any) -> Object:
    pod = {"metadata": {"name": "web"}, "spec": spec}
    attributes = Attributes(operation="CREATE", resource=PODS, user=USER, reader=cast(Reader, Classes()), obj=pod)
    RuntimeClass().admit(attributes)
    RuntimeClass().validate(attributes)
    return cast(Object, pod["spec"])


def test_a_pod_gets_what_its_class_says() -> None:
    spec = admitted(runtimeClassName="slow", nodeSelector={"zone": "a"}, tolerations=[{"key": "x"}])
    assert spec["overhead"] == {"cpu": "10m", "memory": "1Mi"}
    assert spec["nodeSelector"] == {"zone": "a", "disk": "ssd"}
    assert spec["tolerations"] == [{"key": "x"}, KEY]
    assert admitted(runtimeClassName="plain") == {"runtimeClassName": "plain"}
    assert admitted() == {}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"runtimeClassName": "gone"}, 'pod rejected: RuntimeClass "gone" not found'),
        ({"runtimeClassName": "slow", "overhead": {"cpu": "1"}}, "Pod's Overhead doesn't match"),
        ({"overhead": {"cpu": "1"}}, "Pod Overhead set without corresponding RuntimeClass"),
        ({"runtimeClassName": "slow", "nodeSelector": {"disk": "hdd"}}, "conflict: runtimeClass.scheduling"),
    ],
)
def test_refusals(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(Forbidden, match=words):
        admitted(**spec)
