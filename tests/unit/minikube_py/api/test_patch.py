"""JSON and merge patches: what they do, and how the API server words what they cannot."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from minikube_py.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from minikube_py.api.patch import apply_json_patch, apply_merge_patch

OBJECT: dict[str, Any] = {"metadata": {"labels": {"a": "1"}}, "spec": {"list": [1, 2, 3]}}


@pytest.mark.parametrize(
    ("operations", "path", "value"),
    [
        ([{"op": "add", "path": "/metadata/labels/b~1c", "value": "2"}], ("metadata", "labels", "b/c"), "2"),
        ([{"op": "add", "path": "/spec/list/-", "value": 4}], ("spec", "list"), [1, 2, 3, 4]),
        ([{"op": "remove", "path": "/spec/list/0"}], ("spec", "list"), [2, 3]),
        ([{"op": "replace", "path": "/spec", "value": {}}], ("spec",), {}),
        ([{"op": "copy", "from": "/spec/list", "path": "/spec/other"}], ("spec", "other"), [1, 2, 3]),
        ([{"op": "test", "path": "/metadata/labels/a", "value": "1"}], ("metadata", "labels"), {"a": "1"}),
    ],
)
def test_operations(operations: list[Any], path: tuple[str, ...], value: Any) -> None:
    before = copy.deepcopy(OBJECT)
    found: Any = apply_json_patch(OBJECT, operations)
    for step in path:
        found = found[step]
    assert found == value
    assert before == OBJECT


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/metadata/labels/a", "value": "2"}],
        [{"op": "remove", "path": "/nothing/here"}],
        [{"op": "replace", "path": "/spec/list/9", "value": 1}],
        [{"op": "add", "path": "/spec/list/x", "value": 1}],
        [{"op": "jump", "path": "/spec"}],
        [{"op": "add", "path": "/spec/a"}],
        [{"path": "/spec"}],
        [{"op": "replace", "path": "", "value": 3}],
        [{"op": "copy", "path": "/a"}],
    ],
)
def test_what_cannot_be_applied_is_a_422_without_details(operations: list[Any]) -> None:
    with pytest.raises(Invalid, match="the server rejected our request due to an error in our request"):
        apply_json_patch(OBJECT, operations)


def test_copies_of_copies_come_to_an_end() -> None:
    bomb = [{"op": "copy", "from": "", "path": f"/c{number}"} for number in range(200)]
    with pytest.raises(Invalid):
        apply_json_patch({"spec": "x" * 100}, bomb)
    deep = [{"op": "copy", "from": "/a", "path": "/a/a"}] * 400
    with pytest.raises(Invalid):
        apply_json_patch({"a": {}}, deep)


def test_a_json_patch_is_a_list_of_objects() -> None:
    with pytest.raises(BadRequest, match=r"cannot unmarshal object into Go value of type \[\]handlers.jsonPatchOp"):
        apply_json_patch(OBJECT, {"op": "add"})
    with pytest.raises(BadRequest):
        apply_json_patch(OBJECT, ["add"])
    with pytest.raises(RequestEntityTooLarge, match="maximum operations in a JSON patch is 10000, got 10001"):
        apply_json_patch(OBJECT, [{}] * 10_001)


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"spec": None}, {"metadata": {"labels": {"a": "1"}}}),
        ({"metadata": {"labels": {"a": None, "b": "2"}}}, {**OBJECT, "metadata": {"labels": {"b": "2"}}}),
        ({"spec": {"list": [4]}}, {**OBJECT, "spec": {"list": [4]}}),
        ({"spec": {"list": {"a": {"b": None}}}}, {**OBJECT, "spec": {"list": {"a": {}}}}),
        ({}, OBJECT),
    ],
)
def test_merging(patch: dict[str, Any], result: dict[str, Any]) -> None:
    before = copy.deepcopy(OBJECT)
    assert apply_merge_patch(OBJECT, patch) == result
    assert before == OBJECT


def test_what_a_merge_patch_does_not_touch_is_shared() -> None:
    assert apply_merge_patch(OBJECT, {"metadata": {"x": 1}})["spec"] is OBJECT["spec"]


@pytest.mark.parametrize("patch", [[], "x", None, 1])
def test_a_merge_patch_is_an_object(patch: Any) -> None:
    with pytest.raises(BadRequest, match=r"of type map\[string\]interface {}"):
        apply_merge_patch(OBJECT, patch)
