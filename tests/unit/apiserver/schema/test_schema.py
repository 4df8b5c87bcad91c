"""Request bodies as kube-apiserver reads them: its forms, its checks, its words."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from apiserver.schema.schema import DELETE_OPTIONS, JSON, YAML, FieldValidation, Schema, kind_of
from minikube_py.api import resources
from minikube_py.api.errors import BadRequest

CONTAINER = {"name": "c", "image": "i"}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.load()


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [CONTAINER], **spec}}


def read(schema: Schema, obj: Any, resource: Any = resources.PODS, mode: FieldValidation = FieldValidation.WARN) -> Any:
    body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
    return schema.decode_body(body, JSON, resource, mode)


def refusal(schema: Schema, obj: Any, resource: Any = resources.PODS, **kwargs: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        read(schema, obj, resource, **kwargs)
    return caught.value.message


class TestForms:
    def test_every_served_kind_has_a_type(self, schema: Schema) -> None:
        for resource in resources.BUILTIN:
            bare = {"metadata": {"name": "x"}}
            decoded = schema.decode(bare, resource).object
            assert decoded["kind"] == resource.kind
            schema.complete(decoded, resource)

    def test_zero_values_of_plain_fields_vanish_and_those_of_pointers_stay(self, schema: Schema) -> None:
        sent = pod(nodeSelector={}, tolerations=[], hostNetwork=False, hostname="", terminationGracePeriodSeconds=0)
        assert read(schema, sent).object["spec"] == {"containers": [CONTAINER], "terminationGracePeriodSeconds": 0}

    def test_empty_pointers_to_structs_stay(self, schema: Schema) -> None:
        sent = pod(securityContext={}, volumes=[{"name": "v", "emptyDir": {}}])
        assert read(schema, sent).object["spec"]["securityContext"] == {}
        assert read(schema, sent).object["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]

    def test_nulls_are_not_set(self, schema: Schema) -> None:
        sent = pod(nodeName=None, volumes=None, securityContext=None)
        assert read(schema, sent).object["spec"] == {"containers": [CONTAINER]}

    def test_a_null_in_a_map_of_strings_is_the_empty_string(self, schema: Schema) -> None:
        decoded = read(schema, {"data": {"a": None}}, resources.CONFIGMAPS).object
        assert decoded["data"] == {"a": ""}

    @pytest.mark.parametrize(("given", "canonical"), [("0.5", "500m"), (1, "1"), ("1024Mi", "1Gi"), (0.1, "100m")])
    def test_quantities_come_back_canonical(self, schema: Schema, given: Any, canonical: str) -> None:
        sent = pod(containers=[CONTAINER | {"resources": {"limits": {"cpu": given}}}])
        decoded = read(schema, sent).object
        assert decoded["spec"]["containers"][0]["resources"] == {"limits": {"cpu": canonical}}

    def test_times_come_back_in_utc(self, schema: Schema) -> None:
        sent = {"metadata": {"name": "x", "creationTimestamp": "2024-01-01T02:00:00.5+02:00"}}
        assert read(schema, sent).object["metadata"]["creationTimestamp"] == "2024-01-01T00:00:00Z"

    def test_completing_adds_what_go_always_writes(self, schema: Schema) -> None:
        decoded = read(schema, pod()).object
        schema.complete(decoded, resources.PODS)
        assert decoded["spec"]["containers"][0]["resources"] == {}
        assert decoded["status"] == {}
        again = json.loads(json.dumps(decoded))
        schema.complete(again, resources.PODS)
        assert again == decoded
        assert "status" not in schema.decode(decoded, resources.PODS).object

    def test_completing_writes_null_for_lists_without_omitempty(self, schema: Schema) -> None:
        slice_ = read(schema, {"addressType": "IPv4", "endpoints": []}, resources.ENDPOINTSLICES).object
        schema.complete(slice_, resources.ENDPOINTSLICES)
        assert slice_["endpoints"] is None

    def test_the_given_object_is_left_alone(self, schema: Schema) -> None:
        sent = pod(tolerations=[], foo=1)
        before = json.dumps(sent)
        schema.complete(schema.decode(sent, resources.PODS).object, resources.PODS)
        assert json.dumps(sent) == before

    def test_yaml(self, schema: Schema) -> None:
        text = b"metadata: {name: x}\ndata:\n  time: 12:30\n  day: 2020-01-01\n"
        decoded = schema.decode_body(text, YAML, resources.CONFIGMAPS).object
        assert decoded["data"] == {"time": "12:30", "day": "2020-01-01"}


class TestKinds:
    def test_kind_and_version_come_from_the_path(self, schema: Schema) -> None:
        decoded = read(schema, {"metadata": {"name": "x"}}, resources.DEPLOYMENTS).object
        assert (decoded["apiVersion"], decoded["kind"]) == ("apps/v1", "Deployment")

    def test_a_subresource_has_its_own_kind(self, schema: Schema) -> None:
        eviction = resources.PODS.subresource("eviction")
        decoded = schema.decode_body(b'{"metadata":{"name":"p"}}', JSON, kind_of(resources.PODS, eviction)).object
        assert (decoded["apiVersion"], decoded["kind"]) == ("policy/v1", "Eviction")

    @pytest.mark.parametrize("version", [None, "v1", "apps/v1", "policy/v1"])
    def test_delete_options_of_any_group(self, schema: Schema, version: str | None) -> None:
        sent = {"propagationPolicy": "Orphan"} | ({"apiVersion": version, "kind": "DeleteOptions"} if version else {})
        decoded = read(schema, sent, DELETE_OPTIONS)
        assert decoded.object["propagationPolicy"] == "Orphan"

    def test_another_kind(self, schema: Schema) -> None:
        assert refusal(schema, {"apiVersion": "v1", "kind": "Service"}) == (
            'Service in version "v1" cannot be handled as a Pod: '
            "converting (v1.Service) to (core.Pod): unknown conversion"
        )

    def test_a_kind_nobody_knows(self, schema: Schema) -> None:
        assert refusal(schema, {"apiVersion": "v1", "kind": "Deployment"}, resources.DEPLOYMENTS) == (
            'Deployment in version "v1" cannot be handled as a Deployment: no kind "Deployment" is registered '
            'for version "v1" in scheme "pkg/runtime/scheme.go:111"'
        )

    def test_another_version(self, schema: Schema) -> None:
        sent = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler"}
        assert refusal(schema, sent, resources.HORIZONTALPODAUTOSCALERS) == (
            "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
        )


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            (b'{"a":', 'unexpected end of JSON input ({"a":)'),
            (b"", "unexpected end of JSON input (<empty>)"),
            (b"xyz", "invalid character 'x' looking for beginning of value (78797a)"),
            (b'{"kind":1}', 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":1})'),
        ],
    )
    def test_unreadable_bodies(self, schema: Schema, body: bytes, problem: str) -> None:
        prefix = "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; "
        assert refusal(schema, body) == f"{prefix}json parse error: {problem}"

    @pytest.mark.parametrize(
        ("spec", "problem"),
        [
            ({"containers": "zz"}, "string into Go struct field PodSpec.spec.containers of type []v1.Container"),
            (
                {"containers": [{"ports": [{"containerPort": "80"}]}]},
                "string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
            ),
            ({"hostNetwork": "yes"}, "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
            ({"restartPolicy": 1}, "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
            ({"priority": 1.5}, "number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
            ({"priority": 1 << 40}, f"number {1 << 40} into Go struct field PodSpec.spec.priority of type int32"),
            ({"nodeSelector": {"a": True}}, "bool into Go struct field PodSpec.spec.nodeSelector of type string"),
            (
                {"securityContext": []},
                "array into Go struct field PodSpec.spec.securityContext of type v1.PodSecurityContext",
            ),
        ],
    )  # fmt: skip
    def test_wrong_types(self, schema: Schema, spec: dict[str, Any], problem: str) -> None:
        words = 'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal '
        assert refusal(schema, {"spec": spec}) == words + problem

    def test_a_quantity_that_is_none(self, schema: Schema) -> None:
        sent = pod(containers=[{"name": "c", "resources": {"limits": {"cpu": "much"}}}])
        assert refusal(schema, sent).endswith("quantities must match the regular expression "
                                              "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")  # fmt: skip

    def test_bytes_that_are_not_base64(self, schema: Schema) -> None:
        assert refusal(schema, {"data": {"a": "###"}}, resources.SECRETS) == (
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'
        )


class TestFieldValidation:
    SENT = pod(foo=1, containers=[{"name": "c", "Image": "i", "ports": [{"port": 1}]}])
    UNKNOWN = (
        'unknown field "spec.containers[0].Image"',
        'unknown field "spec.containers[0].ports[0].port"',
        'unknown field "spec.foo"',
    )

    def test_strict_names_every_field(self, schema: Schema) -> None:
        message = refusal(schema, self.SENT, mode=FieldValidation.STRICT)
        assert message == (
            f'Pod in version "v1" cannot be handled as a Pod: strict decoding error: {", ".join(self.UNKNOWN)}'
        )

    def test_warn_keeps_the_words_for_headers(self, schema: Schema) -> None:
        decoded = read(schema, self.SENT)
        assert tuple(decoded.warnings) == self.UNKNOWN
        assert decoded.object["spec"]["containers"] == [{"name": "c", "ports": [{}]}]

    def test_ignore_prunes_in_silence(self, schema: Schema) -> None:
        decoded = read(schema, self.SENT, mode=FieldValidation.IGNORE)
        assert not decoded.warnings
        assert "foo" not in decoded.object["spec"]

    def test_duplicates(self, schema: Schema) -> None:
        body = b'{"metadata":{"name":"a","name":"b"},"data":{"k":"1","k":"2"}}'
        decoded = schema.decode_body(body, JSON, resources.CONFIGMAPS)
        assert decoded.warnings == ['duplicate field "metadata.name"', 'duplicate field "data.k"']
        assert decoded.object["data"] == {"k": "2"}

    def test_problems_come_in_the_order_of_the_text(self, schema: Schema) -> None:
        body = b"""{"spec": {"unknown1": 1, "unknownDupe": 1, "unknownDupe": 2, "paused": true, "paused": false,
            "template": {"spec": {"containers": [{"name": "c", "new": 1, "imagePullPolicy": "a",
            "imagePullPolicy": "b"}]}}}}"""
        decoded = schema.decode_body(body, JSON, resources.DEPLOYMENTS)
        assert decoded.warnings == [
            'unknown field "spec.unknown1"',
            'unknown field "spec.unknownDupe"',
            'duplicate field "spec.paused"',
            'unknown field "spec.template.spec.containers[0].new"',
            'duplicate field "spec.template.spec.containers[0].imagePullPolicy"',
        ]
        assert "paused" not in decoded.object["spec"]

    def test_duplicates_in_yaml(self, schema: Schema) -> None:
        with pytest.raises(BadRequest, match='line 2: key "data" already set in map'):
            schema.decode_body(b"data: {}\ndata: {}\n", YAML, resources.CONFIGMAPS, FieldValidation.STRICT)

    def test_a_hundred_fields_are_enough(self, schema: Schema) -> None:
        decoded = read(schema, {f"f{number}": 1 for number in range(500)})
        assert len(decoded.warnings) == 100


class TestHostileInput:
    def test_deep_nesting(self, schema: Schema) -> None:
        assert "exceeded max depth" in refusal(schema, b"[" * 100_000 + b"]" * 100_000)

    @pytest.mark.parametrize("levels", [100, 250, 300, 1000, 1100])
    def test_what_could_not_be_written_again_is_not_read(self, schema: Schema, levels: int) -> None:
        for body in (b'{"data":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}",
                     b'{"data":' + b"[" * levels + b"]" * levels + b"}"):  # fmt: skip
            for media_type in (JSON, YAML):
                try:
                    found = schema.decode_body(body, media_type, resources.CONTROLLERREVISIONS).object
                except BadRequest as error:
                    assert "exceeded max depth" in error.message
                else:
                    orjson.dumps(found)

    @pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"', b'"\\udc00\\ud800"'])
    def test_broken_text_is_mended(self, schema: Schema, text: bytes) -> None:
        decoded = schema.decode_body(b'{"data":{"a":' + text + b"}}", JSON, resources.CONFIGMAPS).object
        assert "\ufffd" in decoded["data"]["a"]
        orjson.dumps(decoded)

    def test_yaml_that_explodes(self, schema: Schema) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
        with pytest.raises(BadRequest, match="excessive aliasing"):
            schema.decode_body("\n".join(lines).encode(), YAML, resources.CONFIGMAPS)
