"""managedFields of ordinary writes, and server-side apply, as a real API server keeps them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from apiserver.schema.managedfields.entries import MOST_UPDATERS
from apiserver.schema.managedfields.manager import LAST_APPLIED, Author, FieldManagement
from apiserver.schema.schema import FieldValidation, Schema
from minikube_py.api import resources
from minikube_py.api.errors import BadRequest, Conflict, OtherStatus
from minikube_py.api.resources import Resource

SCHEMA = Schema.load()
FIELDS = FieldManagement(SCHEMA.model, SCHEMA.completer)


class Cluster:
    """One object and those who write it, as the write path of the server does it."""

    def __init__(self, resource: Resource = resources.CONFIGMAPS) -> None:
        self.resource = resource
        self.name = SCHEMA.model.of_resource(resource).name
        self.object: Any = None
        self.seconds = 0

    def author(self, manager: str, subresource: str = "") -> Author:
        self.seconds += 1
        time = f"2024-01-01T00:00:{self.seconds:02}Z"
        return Author(manager=manager, api_version=self.resource.api_version, time=time, subresource=subresource)

    def _wire(self, obj: Any) -> Any:
        decoded = SCHEMA.decode(copy.deepcopy(obj), self.resource, FieldValidation.STRICT).object
        SCHEMA.complete(decoded, self.resource)
        return decoded

    def write(self, manager: str, obj: Any, subresource: str = "", reset: tuple[str, ...] = ()) -> Any:
        old, new = copy.deepcopy(self.object), self._wire(obj)
        FIELDS.update(self.name, old, new, self.author(manager, subresource), reset=reset)
        assert old == self.object
        self.object = new
        return new

    def change(self, manager: str, subresource: str = "", **fields: Any) -> Any:
        return self.write(manager, {**self.object, **fields}, subresource)

    def apply(self, manager: str, config: Any, *, force: bool = False, reset: tuple[str, ...] = ()) -> Any:
        config = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **config}
        before = copy.deepcopy((self.object, config))
        applied = FIELDS.apply(self.name, self.object, config, self.author(manager), force=force, reset=reset)
        new = self._wire(applied)
        if self.object is not None:
            FIELDS.settle(self.object, new)
        assert before == (self.object, config)
        self.object = new
        return new

    def fields_of(self, manager: str, operation: str = "Update") -> Any:
        for entry in self.object["metadata"].get("managedFields") or ():
            if (entry["manager"], entry["operation"]) == (manager, operation):
                return entry["fieldsV1"]
        return None

    def managers(self) -> list[tuple[str, str]]:
        return [(e["manager"], e["operation"]) for e in self.object["metadata"].get("managedFields") or ()]


def config_map(**data: str) -> dict[str, Any]:
    return {"metadata": {"name": "c", "namespace": "d"}, "data": data}


DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "d", "namespace": "n", "labels": {"app": "x"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "x"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {
            "metadata": {"labels": {"app": "x"}},
            "spec": {
                "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}],
                "volumes": [{"name": "v", "emptyDir": {}}],
            },
        },
    },
}


class TestUpdates:
    def test_a_created_deployment(self) -> None:
        cluster = Cluster(resources.DEPLOYMENTS)
        cluster.write("kubectl-create", DEPLOYMENT)
        (entry,) = cluster.object["metadata"]["managedFields"]
        assert {key: entry[key] for key in ("manager", "operation", "apiVersion", "fieldsType", "time")} == {
            "manager": "kubectl-create", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "time": "2024-01-01T00:00:01Z",
        }  # fmt: skip
        port = 'k:{"containerPort":80,"protocol":"TCP"}'
        container = {
            ".": {}, "f:name": {}, "f:image": {}, "f:resources": {},
            "f:ports": {".": {}, port: {".": {}, "f:containerPort": {}, "f:protocol": {}}},
        }  # fmt: skip
        assert entry["fieldsV1"] == {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
                "f:template": {
                    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                    "f:spec": {
                        "f:containers": {'k:{"name":"c"}': container},
                        "f:volumes": {".": {}, 'k:{"name":"v"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
                    },
                },
            },
        }

    def test_what_is_changed_changes_hands(self) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1", l="2"))
        cluster.write("b", {**cluster.object, "data": {"k": "9", "l": "2", "m": "3"}})
        assert cluster.fields_of("a") == {"f:data": {".": {}, "f:l": {}}}
        assert cluster.fields_of("b") == {"f:data": {"f:k": {}, "f:m": {}}}

    def test_a_write_that_changes_nothing_leaves_no_trace(self) -> None:
        cluster = Cluster()
        before = cluster.write("a", config_map(k="1"))["metadata"]["managedFields"]
        assert cluster.change("b")["metadata"]["managedFields"] is not None
        assert cluster.object["metadata"]["managedFields"] == before

    def test_what_is_removed_belongs_to_nobody(self) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1", l="2"))
        cluster.write("b", {**cluster.object, "data": {"l": "2"}})
        assert cluster.managers() == [("a", "Update")]
        assert cluster.fields_of("a") == {"f:data": {".": {}, "f:l": {}}}

    def test_times_change_only_for_those_who_take_something(self) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1", l="2"))
        cluster.write("b", {**cluster.object, "data": {"k": "1", "l": "3"}})
        times = {entry["manager"]: entry["time"] for entry in cluster.object["metadata"]["managedFields"]}
        assert times == {"a": "2024-01-01T00:00:01Z", "b": "2024-01-01T00:00:02Z"}

    def test_status_is_an_entry_of_its_own(self) -> None:
        cluster = Cluster(resources.DEPLOYMENTS)
        cluster.write("m", DEPLOYMENT)
        cluster.change("m", "status", status={"replicas": 2, "conditions": [{"type": "Available", "status": "True"}]})
        entry = next(e for e in cluster.object["metadata"]["managedFields"] if e.get("subresource") == "status")
        condition = entry["fieldsV1"]["f:status"]["f:conditions"]
        assert condition == {".": {}, 'k:{"type":"Available"}': {
            ".": {}, "f:type": {}, "f:status": {}, "f:lastTransitionTime": {}, "f:lastUpdateTime": {}}}  # fmt: skip
        assert len(cluster.managers()) == 2

    def test_fields_that_the_path_cannot_set_are_not_taken(self) -> None:
        cluster = Cluster(resources.DEPLOYMENTS)
        cluster.write("m", {**DEPLOYMENT, "status": {"replicas": 3}}, reset=("status",))
        assert "f:status" not in cluster.fields_of("m")

    def test_clients_that_drop_managed_fields_do_not_erase_them(self) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1"))
        cluster.write("b", config_map(k="1", l="2"))
        assert cluster.managers() == [("a", "Update"), ("b", "Update")]

    def test_an_empty_entry_resets_them(self) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1"))
        reset = config_map(k="1")
        reset["metadata"]["managedFields"] = [{}]
        cluster.write("b", reset)
        assert cluster.managers() == []

    @pytest.mark.parametrize(
        "fields",
        [
            {"f:data": 5},
            {"f:data": {"x": {}}},
            {"k:zz": {}},
            {"k:[]": {}},
            {"v:": {}},
            {"i:x": {}},
            {".": 1},
            {"q:1": {}},
        ],
    )
    @pytest.mark.parametrize("operation", ["Update", "Apply", "Other", ""])
    def test_malformed_entries_are_not_taken(self, fields: Any, operation: str) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1"))
        hostile = config_map(k="1", l="2")
        hostile["metadata"]["managedFields"] = [{"manager": "x", "operation": operation, "fieldsV1": fields}]
        cluster.write("b", hostile)
        assert cluster.managers() == [("a", "Update"), ("b", "Update")]

    def test_well_formed_entries_are_taken(self) -> None:
        cluster = Cluster()
        cluster.write("a", config_map(k="1"))
        sent = config_map(k="1", l="2")
        entry = {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"}
        sent["metadata"]["managedFields"] = [{**entry, "fieldsV1": {"f:data": {"f:k": {}}}}]
        cluster.write("b", sent)
        assert cluster.managers() == [("x", "Apply"), ("b", "Update")]

    def test_an_object_nobody_manages_is_not_followed(self) -> None:
        cluster = Cluster()
        cluster.object = cluster._wire(config_map(k="1"))
        cluster.write("a", config_map(k="2"))
        assert cluster.managers() == []

    def test_the_oldest_updaters_become_one(self) -> None:
        cluster = Cluster()
        for number in range(MOST_UPDATERS + 3):
            data = (cluster.object or {}).get("data", {})
            cluster.write(f"m{number:02}", config_map(**data, **{f"k{number:02}": "x"}))
        names = [name for name, _ in cluster.managers()]
        assert len(names) == MOST_UPDATERS
        assert "ancient-changes" in names
        assert set(cluster.fields_of("ancient-changes")["f:data"]) == {".", "f:k00", "f:k01", "f:k02", "f:k03"}


class TestApply:
    def test_applying_a_new_object(self) -> None:
        cluster = Cluster()
        cluster.apply("a", config_map(k="1"))
        assert cluster.managers() == [("a", "Apply")]
        assert cluster.fields_of("a", "Apply") == {"f:data": {"f:k": {}}}

    def test_fields_no_longer_named_are_removed(self) -> None:
        cluster = Cluster()
        cluster.apply("a", config_map(k="1", l="2"))
        cluster.apply("a", config_map(k="1"))
        assert cluster.object["data"] == {"k": "1"}
        assert cluster.fields_of("a", "Apply") == {"f:data": {"f:k": {}}}

    def test_fields_that_others_own_too_stay(self) -> None:
        cluster = Cluster()
        cluster.apply("a", config_map(k="1", l="2"))
        cluster.apply("b", config_map(l="2"))
        cluster.apply("a", config_map(k="1"))
        assert cluster.object["data"] == {"k": "1", "l": "2"}

    def test_one_conflict(self) -> None:
        cluster = Cluster()
        cluster.apply("a", config_map(k="1"))
        with pytest.raises(Conflict) as caught:
            cluster.apply("b", config_map(k="2"))
        assert caught.value.to_status()["message"] == 'Apply failed with 1 conflict: conflict with "a": .data.k'
        assert caught.value.to_status()["details"] == {
            "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".data.k"}]
        }

    def test_several_conflicts(self) -> None:
        cluster = Cluster()
        cluster.write("u", config_map(x="1"))
        cluster.apply("a", config_map(k="1", l="1"))
        with pytest.raises(Conflict) as caught:
            cluster.apply("b", config_map(k="2", l="2", x="2"))
        assert caught.value.message == (
            'Apply failed with 3 conflicts: conflicts with "a":\n- .data.k\n- .data.l\n'
            'conflicts with "u" using v1:\n- .data.x'
        )

    def test_the_same_value_is_no_conflict_but_shared(self) -> None:
        cluster = Cluster()
        cluster.apply("a", config_map(k="1"))
        cluster.apply("b", config_map(k="1"))
        assert cluster.managers() == [("a", "Apply"), ("b", "Apply")]

    def test_force_takes_over(self) -> None:
        cluster = Cluster()
        cluster.apply("a", config_map(k="1"))
        cluster.apply("b", config_map(k="2"), force=True)
        assert cluster.managers() == [("b", "Apply")]
        assert cluster.object["data"] == {"k": "2"}

    def test_applying_the_same_again_changes_nothing(self) -> None:
        cluster = Cluster()
        before = copy.deepcopy(cluster.apply("a", config_map(k="1")))
        assert cluster.apply("a", config_map(k="1")) == before

    def test_an_object_made_without_managers(self) -> None:
        cluster = Cluster()
        cluster.object = cluster._wire(config_map(k="1"))
        with pytest.raises(Conflict, match='conflict with "before-first-apply" using v1'):
            cluster.apply("a", config_map(k="2"))

    def test_list_items_merge_by_key_and_keep_their_places(self) -> None:
        cluster = Cluster(resources.DEPLOYMENTS)
        sidecar = {"name": "sidecar", "image": "s"}
        cluster.write("u", DEPLOYMENT)
        spec = {"template": {"spec": {"containers": [sidecar, {"name": "c", "imagePullPolicy": "Always"}]}}}
        cluster.apply("a", {"metadata": {"name": "d", "namespace": "n"}, "spec": spec})
        containers = cluster.object["spec"]["template"]["spec"]["containers"]
        assert [(c["name"], c.get("imagePullPolicy")) for c in containers] == [("sidecar", None), ("c", "Always")]
        spec = {"template": {"spec": {"containers": [{"name": "c", "imagePullPolicy": "Always"}]}}}
        cluster.apply("a", {"metadata": {"name": "d", "namespace": "n"}, "spec": spec})
        containers = cluster.object["spec"]["template"]["spec"]["containers"]
        assert [c["name"] for c in containers] == ["c"]
        assert containers[0]["image"] == "i"

    def test_port_keys_take_the_default_protocol(self) -> None:
        cluster = Cluster(resources.SERVICES)
        cluster.apply("a", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
        ports = cluster.fields_of("a", "Apply")["f:spec"]["f:ports"]
        assert ports == {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}

    def test_atomic_values_are_owned_whole(self) -> None:
        cluster = Cluster(resources.SERVICES)
        cluster.apply("a", {"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}})
        assert cluster.fields_of("a", "Apply") == {"f:spec": {"f:selector": {}}}
        cluster.apply("a", {"metadata": {"name": "s"}, "spec": {"selector": {"c": "d"}}})
        assert cluster.object["spec"]["selector"] == {"c": "d"}

    def test_sets(self) -> None:
        cluster = Cluster()
        cluster.apply("a", {"metadata": {"name": "c", "finalizers": ["x/a", "x/b"]}})
        cluster.apply("b", {"metadata": {"name": "c", "finalizers": ["x/c"]}})
        assert cluster.object["metadata"]["finalizers"] == ["x/a", "x/b", "x/c"]
        assert cluster.fields_of("b", "Apply") == {"f:metadata": {"f:finalizers": {'v:"x/c"': {}}}}
        cluster.apply("a", {"metadata": {"name": "c", "finalizers": ["x/b"]}})
        assert cluster.object["metadata"]["finalizers"] == ["x/b", "x/c"]

    def test_a_field_goes_when_its_last_owner_lets_go(self) -> None:
        cluster = Cluster(resources.DEPLOYMENTS)
        cluster.apply("a", DEPLOYMENT)
        bare = copy.deepcopy(DEPLOYMENT)
        del bare["spec"]["replicas"], bare["spec"]["template"]["spec"]["volumes"]
        cluster.apply("a", bare)
        assert "replicas" not in cluster.object["spec"]
        assert not cluster.object["spec"]["template"]["spec"].get("volumes")

    def test_what_a_path_cannot_set_is_neither_owned_nor_set(self) -> None:
        cluster = Cluster(resources.DEPLOYMENTS)
        cluster.apply("a", {**DEPLOYMENT, "status": {"replicas": 9}}, reset=("status",))
        assert "f:status" not in cluster.fields_of("a", "Apply")
        assert "replicas" not in cluster.object["status"]


class TestKubectl:
    def last_applied(self, **data: str) -> dict[str, Any]:
        config = {"apiVersion": "v1", "kind": "ConfigMap", **config_map(**data)}
        annotated = copy.deepcopy(config)
        annotated["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(config)}
        return annotated

    def test_it_may_take_over_what_it_applied_client_side(self) -> None:
        cluster = Cluster()
        cluster.write("kubectl-client-side-apply", self.last_applied(k="1"))
        cluster.apply("kubectl", config_map(k="2"))
        assert cluster.object["data"] == {"k": "2"}
        assert json.loads(cluster.object["metadata"]["annotations"][LAST_APPLIED])["data"] == {"k": "2"}

    def test_others_may_not(self) -> None:
        cluster = Cluster()
        cluster.write("kubectl-client-side-apply", self.last_applied(k="1"))
        with pytest.raises(Conflict):
            cluster.apply("helm", config_map(k="2"))

    def test_what_changed_since_is_not_its_own(self) -> None:
        cluster = Cluster()
        cluster.write("kubectl-client-side-apply", self.last_applied(k="1"))
        cluster.change("someone", data={"k": "5"})
        with pytest.raises(Conflict, match=r'"someone" using v1: \.data\.k'):
            cluster.apply("kubectl", config_map(k="2"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"spec": {"foo": 1}}, ".spec.foo: field not declared in schema"),
            ({"spec": {"replicas": "x"}}, ".spec.replicas: expected numeric (int or float), got string"),
            ({"spec": {"template": 1}}, ".spec.template: expected map, got &{1}"),
            (
                {"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}},
                '.spec.template.spec.containers: duplicate entries for key [name="a"]',
            ),
            ({"spec": {"x": 1, "y": 2}}, "errors:\n  .spec.x: field not declared in schema\n  .spec.y: field not "
             "declared in schema"),
        ],
    )  # fmt: skip
    def test_configurations_that_do_not_fit(self, config: Any, words: str) -> None:
        with pytest.raises(OtherStatus) as caught:
            Cluster(resources.DEPLOYMENTS).apply("a", {"metadata": {"name": "d", "namespace": "n"}, **config})
        prefix = "failed to create typed patch object (n/d; apps/v1, Kind=Deployment): "
        assert caught.value.message == prefix + words

    def test_another_version(self) -> None:
        with pytest.raises(BadRequest, match="Specified patch version: v2, expected: v1"):
            Cluster().apply("a", {"apiVersion": "v2"})

    def test_managed_fields_cannot_be_applied(self) -> None:
        with pytest.raises(BadRequest, match=r"metadata\.managedFields must be nil"):
            Cluster().apply("a", {"metadata": {"managedFields": []}})


def test_the_paths_of_a_spec_are_the_same_the_second_time() -> None:
    """Replicas share what was worked out for the first of them; what follows one does not change the other."""
    fields = FieldManagement(SCHEMA.model, SCHEMA.completer)
    author = Author(manager="m", api_version="v1", time="2024-01-01T00:00:00Z")
    entries = []
    for name in ("a", "b", "c"):
        spec = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}
        pod = {"metadata": {"name": name, "labels": {"l": name}}, "spec": spec}
        fields.update("io.k8s.api.core.v1.Pod", None, pod, author)
        entries.append(pod["metadata"]["managedFields"][0]["fieldsV1"])
    assert entries[0] == entries[1] == entries[2]
    assert list(entries[0]["f:spec"]["f:containers"]['k:{"name":"c"}']) == [".", "f:image", "f:name", "f:ports"]
