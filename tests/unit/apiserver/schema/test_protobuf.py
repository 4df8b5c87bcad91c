"""The protobuf form of every kind: there and back again, and refusals of what is none."""

from __future__ import annotations

import random
from typing import Any

import pytest

from apiserver.schema.model import (
    DURATION,
    FIELDS_V1,
    INT_OR_STRING,
    MICRO_TIME,
    QUANTITY,
    RAW_EXTENSION,
    TIME,
    Form,
    GoType,
    Model,
)
from apiserver.schema.protobuf import MAGIC, Envelope, open_envelope, seal_envelope
from apiserver.schema.protobufwriting import ProtobufWriter
from apiserver.schema.protowire import WireProblem, bytes_field, fields, number_field, signed, varint
from apiserver.schema.schema import DELETE_OPTIONS, PROTOBUF, Kind, Schema, kind_of
from minikube_py.api import resources
from minikube_py.api.errors import BadRequest

SCHEMA = Schema.load()
CODEC = ProtobufWriter(SCHEMA.model)
OPAQUE: dict[str, Any] = {
    TIME: "2024-02-29T12:30:00Z",
    MICRO_TIME: "2024-02-29T12:30:00.000123Z",
    DURATION: "1m30s",
    QUANTITY: "500m",
    INT_OR_STRING: "25%",
    RAW_EXTENSION: {"free": ["form", 1]},
    FIELDS_V1: {"f:metadata": {}},
}
PLAIN: dict[Form, Any] = {Form.STRING: "text", Form.BOOL: True, Form.INTEGER: -7, Form.FLOAT: 1.5, Form.BYTES: "aGk="}


POD = "io.k8s.api.core.v1.Pod"


def sample(model: Model, kind: GoType, seen: tuple[str, ...] = ()) -> Any:
    """A value with every field set that has a protobuf number."""
    if kind.form is Form.STRUCT:
        if kind.name in seen:
            return {}
        struct = model.struct(kind.name)
        unsent = {"apiVersion", "kind"} if any(not number for number, _ in struct.embedded) else set()
        return {
            field.name: sample(model, field.type, (*seen, kind.name))
            for field in struct.fields.values()
            if field.number and field.name not in unsent
        }
    if kind.form is Form.LIST:
        return [sample(model, kind.item, seen)] * 2
    if kind.form is Form.MAP:
        return {"b": sample(model, kind.item, seen), "a": sample(model, kind.item, seen)}
    return OPAQUE[kind.name] if kind.form is Form.OPAQUE else PLAIN[kind.form]


def body_kinds() -> list[Kind]:
    kinds = {kind_of(resource) for resource in resources.BUILTIN}
    kinds |= {
        kind_of(resource, sub)
        for resource in resources.BUILTIN
        for sub in resource.subresources
        if not (sub.kind or "").endswith("Options")
    }
    return sorted(kinds | {DELETE_OPTIONS})


@pytest.mark.parametrize("kind", body_kinds(), ids=lambda kind: f"{kind.api_version}/{kind.kind}")
def test_every_kind_survives_the_journey(kind: Kind) -> None:
    name = SCHEMA.model.kind(*kind) or SCHEMA.model.kind("", "v1", kind.kind)
    assert name is not None
    whole = sample(SCHEMA.model, GoType(Form.STRUCT, "", name))
    whole |= {"apiVersion": kind.api_version, "kind": kind.kind}
    expected = SCHEMA.decode(whole, kind).object
    body = seal_envelope(Envelope(kind.api_version, kind.kind, CODEC.encode(name, whole)))
    assert SCHEMA.decode_body(body, PROTOBUF, kind).object == expected


def test_zeros_of_pointers_survive_and_zeros_of_plain_fields_do_not() -> None:
    message = bytes_field(2, number_field(1, 0) + number_field(5, 0))  # spec.replicas, spec.minReadySeconds
    body = seal_envelope(Envelope("apps/v1", "Deployment", message))
    assert SCHEMA.decode_body(body, PROTOBUF, resources.DEPLOYMENTS).object["spec"] == {"replicas": 0}


def test_unknown_fields_are_passed_over() -> None:
    message = bytes_field(1, bytes_field(1, b"name") + bytes_field(900, b"new")) + number_field(901, 1)
    body = seal_envelope(Envelope("v1", "ConfigMap", message))
    assert SCHEMA.decode_body(body, PROTOBUF, resources.CONFIGMAPS).object["metadata"] == {"name": "name"}


def test_kind_and_version_default_to_the_path() -> None:
    body = MAGIC + bytes_field(2, bytes_field(1, bytes_field(1, b"n")))
    assert SCHEMA.decode_body(body, PROTOBUF, resources.SECRETS).object["kind"] == "Secret"


def test_another_kind() -> None:
    body = seal_envelope(Envelope("v1", "Service", b""))
    with pytest.raises(BadRequest, match=r"converting \(v1\.Service\) to \(core\.Pod\)"):
        SCHEMA.decode_body(body, PROTOBUF, resources.PODS)


@pytest.mark.parametrize("body", [b"", b"{}", b"k8s\x00\xff", b"k8s\x00\x0a\x7f", b"k8s\x00\x00\x00"])
def test_what_is_no_envelope(body: bytes) -> None:
    with pytest.raises(BadRequest, match="the object provided is unrecognized"):
        SCHEMA.decode_body(body, PROTOBUF, resources.PODS)


def test_noise_is_refused_or_read_but_never_breaks_anything() -> None:
    noise = random.Random(1)
    good = seal_envelope(Envelope("v1", "Pod", CODEC.encode(POD, _pod())))
    for _ in range(300):
        body = bytearray(good)
        for _ in range(noise.randrange(1, 4)):
            body[noise.randrange(4, len(body))] = noise.randrange(256)
        try:
            SCHEMA.decode_body(bytes(body), PROTOBUF, resources.PODS)
        except BadRequest:
            pass


def test_what_fields_remember_is_what_they_would_write_anew() -> None:
    warm = ProtobufWriter(SCHEMA.model)
    for number in range(600):  # more values than a field remembers, and each of them again beside others
        pod = _pod()
        pod["metadata"]["labels"] = {"a": f"v{number}", "b": f"v{number % 7}", "long": "x" * (number % 200)}
        pod["spec"]["priority"] = number % 3
        pod["spec"]["hostNetwork"] = number % 2 == 0
        pod["spec"]["containers"][0]["image"] = f"i{number // 2}"
        pod["spec"]["containers"][0]["livenessProbe"] = {"httpGet": {"port": number % 5 if number % 2 else "1"}}
        made = warm.encode(POD, pod)
        assert warm.encode(POD, pod) == made
        assert number % 40 or ProtobufWriter(SCHEMA.model).encode(POD, pod) == made


def test_values_of_another_type_are_a_problem_also_where_they_are_remembered() -> None:
    writer = ProtobufWriter(SCHEMA.model)
    wrongs: list[Any] = [{"spec": {"nodeName": ["a"]}}, {"spec": {"nodeName": 1}}, {"metadata": {"labels": {"a": []}}}]
    for wrong in wrongs:
        with pytest.raises(WireProblem, match="not a"):
            writer.encode(POD, wrong)


def _pod() -> dict[str, Any]:
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}
    meta = {"name": "p", "labels": {"a": "b"}, "creationTimestamp": "2024-01-01T00:00:00Z"}
    return {"metadata": meta, "spec": {"containers": [container]}}


class TestWire:
    @pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 1 << 31, (1 << 63) - 1, -1, -(1 << 63)])
    def test_numbers(self, value: int) -> None:
        ((number, found),) = fields(number_field(3, value))
        assert number == 3
        assert isinstance(found, int)
        assert signed(found) == value

    @pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05ab", b"\x0b", b"\x09\x00", varint(8) + b"\xff" * 11])
    def test_truncation_and_nonsense(self, data: bytes) -> None:
        with pytest.raises(WireProblem):
            list(fields(data))

    def test_envelopes(self) -> None:
        envelope = Envelope("apps/v1", "Deployment", b"raw")
        assert open_envelope(seal_envelope(envelope)) == envelope
