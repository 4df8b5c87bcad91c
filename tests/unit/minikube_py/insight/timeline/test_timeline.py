"""Causes out of what could have been read, and the waterfall."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.cli.timeline import story
from minikube_py.insight.timeline.causes import last_apply, with_causes
from minikube_py.insight.timeline.model import Write, changed_paths, writes_of
from minikube_py.insight.timeline.text import as_json, waterfall

PERSON = "kubernetes-admin"
REPLICASETS = "system:serviceaccount:kube-system:replicaset-controller"
DEPLOYMENTS = "system:serviceaccount:kube-system:deployment-controller"
SCHEDULER = "system:kube-scheduler"
AGENT = "system:node:n1"


class Past:
    """Entries as the API server tells them, a tenth of a second apart."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def write(self, user: str, kind: str, name: str, *, owner: str = "", sub: str = "", **obj: Any) -> None:
        number = len(self.entries)
        metadata: dict[str, Any] = {"namespace": "default", "name": name, "uid": f"uid-{name}"}
        if owner:
            metadata["ownerReferences"] = [{"uid": f"uid-{owner}"}]
        metadata |= obj.pop("metadata", {})
        before = [each for each in self.entries if each["kind"] == kind and each["object"]["metadata"]["name"] == name]
        self.entries.append(
            {
                "revision": 100 + number,
                "time": f"2026-01-01T00:{number // 600:02}:{number / 10 % 60:09.6f}Z",
                "user": user,
                "agent": "kubectl/v1" if user == PERSON else "minik",
                "verb": "update",
                "subresource": sub,
                "type": "MODIFIED" if before else "ADDED",
                "kind": kind,
                "object": {"metadata": metadata, **obj},
                "previous": before[-1]["object"] if before else None,
            }
        )


def rollout() -> Past:
    past = Past()
    past.write(PERSON, "Deployment", "web")
    past.write(DEPLOYMENTS, "ReplicaSet", "web-1", owner="web")
    past.write(REPLICASETS, "Pod", "web-1-a", owner="web-1")
    past.write(REPLICASETS, "Event", "made", involvedObject={"uid": "uid-web-1"})
    past.write(SCHEDULER, "Pod", "web-1-a", owner="web-1", sub="binding", spec={"nodeName": "n1"})
    past.write(REPLICASETS, "ReplicaSet", "web-1", owner="web", sub="status", status={"replicas": 1})
    past.write(
        AGENT, "Pod", "web-1-a", owner="web-1", sub="status", spec={"nodeName": "n1"}, status={"phase": "Running"}
    )
    past.write(REPLICASETS, "ReplicaSet", "web-1", owner="web", sub="status", status={"readyReplicas": 1})
    past.write(DEPLOYMENTS, "Deployment", "web", sub="status", status={"readyReplicas": 1})
    return past


def test_each_part_answers_what_it_could_read() -> None:
    told = with_causes(writes_of(rollout().entries))
    assert [write.cause for write in told] == [-1, 0, 1, 1, 2, 4, 4, 6, 7]
    assert [write.depth for write in told] == [0, 1, 2, 2, 3, 4, 4, 5, 6]


def test_a_slice_follows_its_pods_and_its_service() -> None:
    past = Past()
    label = {"labels": {"kubernetes.io/service-name": "web"}}
    past.write(PERSON, "Service", "web")
    past.write("system:serviceaccount:kube-system:endpointslice-controller", "EndpointSlice", "web-x", metadata=label)
    past.write(AGENT, "Pod", "a", status={"podIP": "10.0.0.1"})
    endpoints = [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "uid": "uid-a"}}]
    past.write(
        "system:serviceaccount:kube-system:endpointslice-controller",
        "EndpointSlice",
        "web-x",
        metadata=label,
        endpoints=endpoints,
    )
    assert [write.cause for write in with_causes(writes_of(past.entries))] == [-1, 0, -1, 2]


def test_the_story_of_one_object_and_the_last_apply() -> None:
    past = Past()
    past.write(PERSON, "ConfigMap", "old")
    past.entries[0]["time"] = "2025-12-31T23:00:00.000000Z"
    past.entries += [entry | {"revision": entry["revision"] + 1} for entry in rollout().entries]
    assert last_apply(writes_of(past.entries)) == 1
    shown = story(past.entries, wanted="", everything=False, events=False)
    assert [write.kind for write in shown][:3] == ["Deployment", "ReplicaSet", "Pod"]
    assert not any(write.kind == "Event" for write in shown)
    of_pod = story(past.entries, wanted="Pod/default/web-1-a", everything=False, events=True)
    assert "Deployment" not in {of_pod[0].kind, of_pod[1].kind}
    assert len(story(past.entries, wanted="", everything=True, events=True)) == 10


def test_the_waterfall_names_lines_and_milliseconds() -> None:
    lines = waterfall(story(rollout().entries, wanted="", everything=False, events=False)).splitlines()
    assert lines[0].split()[:3] == ["1", "0.0", "ms"] and "you (kubectl)" in lines[0]
    assert "binds Pod web-1-a to n1  <- 3" in lines[3]
    assert "phase Running" in lines[5] and "agent n1" in lines[5]
    assert waterfall([]) == "nothing was written\n"


def test_as_json() -> None:
    told = as_json(story(rollout().entries, wanted="", everything=False, events=False))
    assert [each["cause"] for each in told][:4] == [0, 100, 101, 102]
    assert told[1]["ms"] == pytest.approx(100.0)
    assert as_json([]) == []


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"status": {"a": 1}}, {"status": {"a": 2, "b": 1}}, ["status.a", "status.b"]),
        ({"metadata": {"resourceVersion": "1"}}, {"metadata": {"resourceVersion": "2"}}, []),
        ({"metadata": {}}, {"metadata": {"labels": {"a": "b"}}}, ["metadata.labels"]),
        ({"a": {"b": {"c": {"d": 1}}}}, {"a": {"b": {"c": {"d": 2}}}}, ["a.b.c"]),
        ({}, {"a": None}, []),
    ],
)
def test_what_changed(before: dict[str, Any], after: dict[str, Any], paths: list[str]) -> None:
    assert list(changed_paths(before, after)) == paths


def test_heartbeats_are_no_story() -> None:
    past = Past()
    past.write(AGENT, "Node", "n1")
    assert Write.from_entry(past.entries[0]).about_nodes
    assert story(past.entries, wanted="", everything=True, events=True) == []
