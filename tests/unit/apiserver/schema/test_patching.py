"""Patches of real kinds: strategic merges by the published merge keys, and results held to the schema."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from apiserver.schema.patching import Patcher
from apiserver.schema.schema import FieldValidation, Schema
from minikube_py.api import resources
from minikube_py.api.errors import BadRequest, Invalid
from minikube_py.api.patch import PatchKind


@pytest.fixture(scope="module")
def patcher() -> Patcher:
    return Patcher(Schema.load())


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def strategic(
    patcher: Patcher,
    current: dict[str, Any],
    patch: Any,
    resource: resources.Resource = resources.PODS,
    mode: FieldValidation = FieldValidation.STRICT,
) -> Any:
    before = copy.deepcopy(current)
    body = json.dumps(patch).encode()
    result = patcher.apply(PatchKind.STRATEGIC, body, current, resource, mode).object
    assert before == current
    return result


def spec_after(patcher: Patcher, spec: dict[str, Any], patch: dict[str, Any]) -> Any:
    return strategic(patcher, pod(**spec), {"spec": patch})["spec"]


A, B, C = ({"name": name, "image": f"{name}:1"} for name in "abc")


class TestLists:
    @pytest.mark.parametrize(
        ("before", "patch", "after"),
        [
            pytest.param([A, B], [{"name": "b", "image": "x"}], [A, B | {"image": "x"}], id="item merged by key"),
            pytest.param([A], [B], [B, A], id="new items come before what the patch does not name"),
            pytest.param([A, B], [{"name": "a", "$patch": "delete"}], [B], id="item deleted"),
            pytest.param([A, B], [C, {"$patch": "replace"}], [C], id="list replaced"),
            pytest.param([A], [{"name": "z", "$patch": "delete"}], [A], id="deleting what is not there"),
        ],
    )
    def test_items(self, patcher: Patcher, before: list[Any], patch: list[Any], after: list[Any]) -> None:
        assert spec_after(patcher, {"containers": before}, {"containers": patch})["containers"] == after

    @pytest.mark.parametrize(
        ("before", "patch", "order", "after"),
        [
            pytest.param([A, B], None, ["b", "a"], [B, A], id="order only"),
            pytest.param([A, B], [C], ["a", "c", "b"], [A, C, B], id="added in the middle"),
            pytest.param([A, B, C], [{"$patch": "delete", "name": "b"}], ["a", "c"], [A, C], id="deleted"),
            pytest.param([A, B], [C], ["c", "b"], [C, A, B], id="the server's own item keeps its place"),
            pytest.param(None, [A, B], ["a", "b"], [A, B], id="list added"),
        ],
    )
    def test_order(self, patcher: Patcher, before: Any, patch: Any, order: list[str], after: list[Any]) -> None:
        spec = {"containers": before} if before else {"nodeName": "n"}
        directives: dict[str, Any] = {"$setElementOrder/containers": [{"name": name} for name in order]}
        if patch is not None:
            directives["containers"] = patch
        assert spec_after(patcher, spec, directives)["containers"] == after

    def test_items_of_items(self, patcher: Patcher) -> None:
        port = {"containerPort": 80, "name": "http"}
        before = {"containers": [A | {"ports": [port], "env": [{"name": "X", "value": "1"}]}]}
        patch = {"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}], "env": [
            {"name": "X", "$patch": "delete"}, {"name": "Y", "value": "2"}]}]}  # fmt: skip
        after = spec_after(patcher, before, patch)["containers"][0]
        assert after["ports"] == [port | {"protocol": "TCP"}]
        assert after["env"] == [{"name": "Y", "value": "2"}]

    def test_service_ports_merge_by_port_alone(self, patcher: Patcher) -> None:
        service = {"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 80}]}}
        patch = {"spec": {"ports": [{"port": 53, "targetPort": "dns"}]}}
        after = strategic(patcher, service, patch, resources.SERVICES)["spec"]["ports"]
        assert after == [{"port": 53, "protocol": "UDP", "targetPort": "dns"}, {"port": 80}]

    def test_lists_of_scalars_are_sets(self, patcher: Patcher) -> None:
        current = {"metadata": {"name": "p", "finalizers": ["a", "b"]}}
        patch = {"metadata": {"finalizers": ["c", "b"], "$deleteFromPrimitiveList/finalizers": ["a"]}}
        assert strategic(patcher, current, patch)["metadata"]["finalizers"] == ["c", "b"]

    @pytest.mark.parametrize("finalizers", [{}, {"finalizers": None}])
    def test_deleting_from_a_list_that_is_not_there(self, patcher: Patcher, finalizers: dict[str, Any]) -> None:
        current = {"metadata": {"name": "p", **finalizers}}
        patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
        assert strategic(patcher, current, patch)["metadata"] == {"name": "p"}

    def test_atomic_lists_are_replaced(self, patcher: Patcher) -> None:
        before = {"containers": [A | {"args": ["1", "2"]}], "tolerations": [{"key": "a"}]}
        patch = {"containers": [{"name": "a", "args": ["3"]}], "tolerations": [{"key": "b"}]}
        after = spec_after(patcher, before, patch)
        assert after == {"containers": [A | {"args": ["3"]}], "tolerations": [{"key": "b"}]}


class TestMaps:
    def test_null_deletes(self, patcher: Patcher) -> None:
        current = {"metadata": {"name": "p", "labels": {"a": "1", "b": "2"}}}
        after = strategic(patcher, current, {"metadata": {"labels": {"a": None, "c": None}}})
        assert after["metadata"]["labels"] == {"b": "2"}

    def test_directives(self, patcher: Patcher) -> None:
        current = {"metadata": {"name": "p", "labels": {"a": "1"}}}
        replaced = strategic(patcher, current, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}})
        assert replaced["metadata"]["labels"] == {"b": "2"}
        deleted = strategic(patcher, current, {"metadata": {"labels": {"$patch": "delete"}}})
        assert "labels" not in deleted["metadata"]

    def test_retain_keys_change_a_union(self, patcher: Patcher) -> None:
        deployment = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
        patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
        after = strategic(patcher, deployment, patch, resources.DEPLOYMENTS)
        assert after["spec"]["strategy"] == {"type": "Recreate"}

    def test_volumes_retain_keys(self, patcher: Patcher) -> None:
        before = {"volumes": [{"name": "v", "emptyDir": {}}]}
        patch = {"volumes": [{"$retainKeys": ["name", "configMap"], "name": "v", "configMap": {"name": "c"}}]}
        assert spec_after(patcher, before, patch)["volumes"] == [{"name": "v", "configMap": {"name": "c"}}]


class TestRefusals:
    @pytest.mark.parametrize(
        ("patch", "words"),
        [
            ({"spec": {"$patch": "jump"}}, "unknown patch type: jump in map: map[$patch:jump]"),
            ({"spec": {"containers": [{"image": "x"}]}}, "does not contain declared merge key: name"),
            ({"spec": {"$setElementOrder/containers": "a"}}, "invalid patch format of setElementOrder list"),
            ({"spec": {"$deleteFromPrimitiveList": []}}, "invalid patch format of primitive list"),
            ({"spec": {"$retainKeys": ["a"], "b": 1}}, "invalid patch format of retainKeys"),
            ({"spec": {"containers": [{"$patch": "merge"}]}}, "merging lists cannot yet be specified in the patch"),
        ],
    )
    def test_malformed(self, patcher: Patcher, patch: Any, words: str) -> None:
        with pytest.raises(BadRequest) as caught:
            strategic(patcher, pod(containers=[A]), patch)
        assert words in caught.value.message

    def test_lists_of_lists(self, patcher: Patcher) -> None:
        with pytest.raises(Invalid):
            strategic(patcher, pod(containers=[A]), {"spec": {"containers": [[]]}})

    @pytest.mark.parametrize(
        ("patch", "words"),
        [
            ({"spec": {"priority": "x"}}, "unrecognized type: int32"),
            ({"spec": {"nodeName": 5}}, "cannot convert int64 to string"),
            ({"spec": {"containers": "x"}}, "cannot restore slice from string"),
            ({"spec": []}, "cannot restore struct from: slice"),
            ({"metadata": {"labels": "x"}}, "cannot restore map from string"),
            ({"spec": {"foo": 1}}, 'strict decoding error: unknown field "spec.foo"'),
        ],
    )
    def test_results_that_do_not_fit(self, patcher: Patcher, patch: Any, words: str) -> None:
        with pytest.raises(Invalid) as caught:
            strategic(patcher, pod(containers=[A]), patch)
        assert caught.value.message.startswith(' "" is invalid: patch: Invalid value: "map[')
        assert caught.value.message.endswith(words)

    def test_merge_and_json_patches_speak_json(self, patcher: Patcher) -> None:
        for kind, body in (
            (PatchKind.MERGE, b'{"spec":{"priority":"x"}}'),
            (PatchKind.JSON, b'[{"op":"add","path":"/spec/priority","value":"x"}]'),
        ):
            with pytest.raises(Invalid, match=r"cannot unmarshal string into Go struct field PodSpec\.spec\.priority"):
                patcher.apply(kind, body, pod(), resources.PODS)

    @pytest.mark.parametrize("kind", [PatchKind.MERGE, PatchKind.JSON, PatchKind.STRATEGIC])
    def test_no_json(self, patcher: Patcher, kind: PatchKind) -> None:
        with pytest.raises(BadRequest, match="unexpected end of JSON input"):
            patcher.apply(kind, b'{"a', pod(), resources.PODS)

    def test_problems_of_operations_come_in_the_order_of_the_text(self, patcher: Patcher) -> None:
        body = b"""[{"op":"add","path":"/spec/unknown1","value":"v","foo":"bar"},
            {"op":"add","path":"/spec/unknown2","path":"/spec/unknown3","value":{"a":1,"a":2}},
            {"op":"add","path":"/metadata/x","value":1}]"""
        decoded = patcher.apply(PatchKind.JSON, body, pod(containers=[A]), resources.PODS)
        assert decoded.warnings == [
            'json patch unknown field "[0].foo"',
            'json patch duplicate field "[1].path"',
            'json patch duplicate field "[1].value.a"',
            'unknown field "metadata.x"',
            'unknown field "spec.unknown1"',
            'unknown field "spec.unknown3"',
        ]

    def test_warnings(self, patcher: Patcher) -> None:
        decoded = patcher.apply(PatchKind.MERGE, b'{"spec":{"foo":1,"foo":2}}', pod(containers=[A]), resources.PODS)
        assert decoded.warnings == ['duplicate field "spec.foo"', 'unknown field "spec.foo"']
        decoded = patcher.apply(PatchKind.JSON, b'[{"op":"add","path":"/spec/priority","value":1,"x":2}]',
                                pod(containers=[A]), resources.PODS)  # fmt: skip
        assert decoded.warnings == ['json patch unknown field "[0].x"']


def test_what_a_patch_leaves_alone_is_not_walked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    schema, current, seen = Schema.load(), pod(containers=[{"name": "c"}]), []
    real = schema.prune

    def prune(obj: dict[str, Any], want: Any) -> Any:
        seen.append(set(obj))
        return real(obj, want)

    monkeypatch.setattr(schema, "prune", prune)
    body = b'{"metadata": {"labels": {"a": "b"}}}'
    patched = Patcher(schema).apply(PatchKind.MERGE, body, current, resources.PODS).object
    assert seen == [{"apiVersion", "kind", "metadata"}]
    assert patched == {**current, "metadata": {"name": "p", "labels": {"a": "b"}}}
    assert list(patched) == list(current)
