"""The container environment: sources, precedence, expansion, and what is missing."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agent.pods.environment.container import Reference, Sources, container_environment, references
from agent.pods.environment.downward import PodFacts, field_value, go_quote
from agent.pods.environment.faults import EnvironmentFault
from minikube_py.api.types import Object

POD: Object = {
    "metadata": {
        "namespace": "team", "name": "web-1", "uid": "u-1",
        "labels": {"app": "web", "a.b/c": "d"}, "annotations": {"note": 'say "hi"\n'},
    },
    "spec": {
        "nodeName": "n1",
        "serviceAccountName": "robot",
        "containers": [
            {"name": "app", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "100Mi"}}},
            {"name": "other", "resources": {"limits": {"cpu": "250m", "memory": "1Gi"}}},
        ],
    },
}  # fmt: skip
SOURCES = Sources(
    services={"WEB_SERVICE_HOST": "10.0.0.1", "FROM": "service"},
    objects={
        Reference("ConfigMap", "settings"): {"data": {"COLOR": "red", "FROM": "configmap", "1weird-key": "kept"}},
        Reference("Secret", "login"): {"data": {"password": base64.b64encode(b"s3cret").decode()}},
    },
    facts=PodFacts(
        pod_ips=("10.244.0.5", "fd00::5"), host_ips=("192.168.230.11",), allocatable={"cpu": "2", "memory": "4Gi"}
    ),
)


def made(*env: dict[str, Any], env_from: list[dict[str, Any]] | None = None, sources: Sources = SOURCES) -> Any:
    container = {**POD["spec"]["containers"][0], "env": list(env), "envFrom": env_from or []}
    found = container_environment(POD, container, sources)
    return {name: value for name, value in found.items() if name not in ("WEB_SERVICE_HOST", "FROM")} | (
        {"FROM": found["FROM"]} if found["FROM"] != "service" else {}
    )


def literal(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


def taken(name: str, **source: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": source}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ([literal("A", "1")], {"A": "1"}),
        ([literal("A", "")], {"A": ""}),
        ([{"name": "A"}], {"A": ""}),
        ([literal("A", "1"), literal("B", "$(A)-$(A)")], {"A": "1", "B": "1-1"}),
        ([literal("B", "$(A)"), literal("A", "1")], {"A": "1", "B": "$(A)"}),
        ([literal("A", "$(A)x")], {"A": "$(A)x"}),
        ([literal("A", "1"), literal("A", "$(A)2")], {"A": "12"}),
        ([literal("A", "$$(B) $$$(B) $(B")], {"A": "$(B) $$(B) $(B"}),
        ([literal("A", "http://$(WEB_SERVICE_HOST)/")], {"A": "http://10.0.0.1/"}),
        ([taken("A", configMapKeyRef={"name": "settings", "key": "COLOR"})], {"A": "red"}),
        ([taken("A", configMapKeyRef={"name": "settings", "key": "x", "optional": True})], {}),
        ([taken("A", configMapKeyRef={"name": "x", "key": "x", "optional": True})], {}),
        ([taken("A", secretKeyRef={"name": "login", "key": "password"})], {"A": "s3cret"}),
        ([taken("A", secretKeyRef={"name": "none", "key": "password", "optional": True})], {}),
        ([literal("A", "1"), taken("A", secretKeyRef={"name": "x", "key": "x", "optional": True})], {"A": "1"}),
    ],
)
def test_variables(env: list[dict[str, Any]], expected: dict[str, str]) -> None:
    assert made(*env) == expected


def test_whole_objects_are_imported_in_order_and_overridden_by_env() -> None:
    env_from = [
        {"configMapRef": {"name": "settings"}},
        {"prefix": "DB_", "secretRef": {"name": "login"}},
        {"configMapRef": {"name": "missing", "optional": True}},
    ]
    assert made(literal("COLOR", "$(COLOR)dish"), env_from=env_from) == {
        "COLOR": "reddish",
        "FROM": "configmap",
        "1weird-key": "kept",
        "DB_password": "s3cret",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-1"),
        ("metadata.namespace", "team"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['a.b/c']", "d"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['note']", 'say "hi"\n'),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "192.168.230.11"),
        ("status.hostIPs", "192.168.230.11"),
        ("status.podIP", "10.244.0.5"),
        ("status.podIPs", "10.244.0.5,fd00::5"),
    ],
)
def test_fields(path: str, value: str) -> None:
    assert made(taken("A", fieldRef={"apiVersion": "v1", "fieldPath": path})) == {"A": value}


def test_maps_as_files_have_them() -> None:
    assert field_value(POD, "metadata.labels", PodFacts()) == 'a.b/c="d"\napp="web"'
    assert field_value(POD, "metadata.annotations", PodFacts()) == r'note="say \"hi\"\n"'
    assert go_quote("\x00\x7f\u200b\U000e0001é\\") == r'"\x00\x7f\u200b\U000e0001é\\"'


@pytest.mark.parametrize(
    ("resource", "divisor", "container", "value"),
    [
        ("limits.cpu", None, None, "2"),
        ("limits.cpu", "1m", None, "1500"),
        ("limits.cpu", "0", None, "2"),
        ("limits.cpu", "1m", "other", "250"),
        ("limits.memory", "1Mi", "other", "1024"),
        ("limits.memory", None, None, str(4 << 30)),
        ("limits.memory", "1Gi", None, "4"),
        ("requests.memory", "1M", None, "105"),
        ("requests.cpu", None, None, "0"),
        ("requests.hugepages-2Mi", None, None, "0"),
    ],
)
def test_resources(resource: str, divisor: str | None, container: str | None, value: str) -> None:
    selector = {"resource": resource, "divisor": divisor, "containerName": container}
    assert made(taken("A", resourceFieldRef={key: part for key, part in selector.items() if part})) == {"A": value}


@pytest.mark.parametrize(
    ("env", "env_from", "message"),
    [
        ([taken("A", configMapKeyRef={"name": "x", "key": "k"})], [], 'configmap "x" not found'),
        ([taken("A", secretKeyRef={"name": "x", "key": "k"})], [], 'secret "x" not found'),
        ([], [{"secretRef": {"name": "x"}}], 'secret "x" not found'),
        (
            [taken("A", secretKeyRef={"name": "login", "key": "user"})],
            [],
            "couldn't find key user in Secret team/login",
        ),
        ([taken("A", fieldRef={"fieldPath": "spec.host.x"})], [], "field label not supported: spec.host.x"),
        (
            [taken("A", fieldRef={"fieldPath": "spec.nodeName['x']"})],
            [],
            "field label does not support subscript: spec.nodeName['x']",
        ),
        ([taken("A", resourceFieldRef={"resource": "limits.gpu"})], [], "unsupported container resource : limits.gpu"),
        (
            [taken("A", resourceFieldRef={"resource": "limits.cpu", "containerName": "none"})],
            [],
            "container none not found",
        ),
        ([literal("A", "x\0y")], [], "the value of environment variable A contains a NUL byte"),
        (
            [taken("A", fileKeyRef={"volumeName": "v", "path": "f", "key": "K"})],
            [],
            'cannot find the volume "v" referenced by FileKeyRef',
        ),
    ],
)
def test_what_cannot_be_had(env: list[dict[str, Any]], env_from: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(EnvironmentFault) as raised:
        made(*env, env_from=env_from)
    assert str(raised.value) == message


def test_env_files() -> None:
    def read(volume: str, path: str) -> str:
        assert (volume, path) == ("v", "f.env")
        return "# comment\nA=1 # tail\nB=x=y\n"

    def variable(key: str, **more: Any) -> dict[str, Any]:
        return taken("A", fileKeyRef={"volumeName": "v", "path": "f.env", "key": key, **more})

    sources = Sources(services={"FROM": "service"}, env_file=read)
    assert made(variable("A"), sources=sources) == {"A": "1 "}
    assert made(variable("B"), sources=sources) == {"A": "x=y"}
    assert made(variable("C", optional=True), sources=sources) == {}
    with pytest.raises(EnvironmentFault, match=r'environment variable key "C" not found in file "f\.env"'):
        made(variable("C"), sources=sources)


def test_what_to_look_up() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
        "env": [
            literal("X", "1"),
            taken("Y", configMapKeyRef={"name": "a", "key": "k"}),
            taken("Z", secretKeyRef={"name": "c", "key": "k"}),
        ],
    }
    assert references(container) == [Reference("ConfigMap", "a"), Reference("Secret", "b"), Reference("Secret", "c")]
    assert references({}) == []
