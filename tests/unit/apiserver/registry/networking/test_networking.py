"""Ingresses, IngressClasses, NetworkPolicies, IPAddresses and ServiceCIDRs."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import INGRESSCLASSES, INGRESSES, IPADDRESSES, NETWORKPOLICIES, SERVICECIDRS

Object = dict[str, Any]
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def _named(name: str = "x", **fields: Any) -> Object:
    return {"metadata": {"name": name}} | fields


def _ingress(path: Object | None = None, **spec: Any) -> Object:
    item = {"path": "/", "pathType": "Prefix", "backend": BACKEND} | (path or {})
    return _named(spec={"rules": [{"host": "a.example", "http": {"paths": [item]}}]} | spec)


PATH = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("ingress", "expected"),
    [
        (_ingress(rules=None), [
            "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
        ]),
        (_ingress({"pathType": None}), [f"{PATH}.pathType: Required value: pathType must be specified"]),
        (_ingress({"pathType": "Regex"}), [
            f'{PATH}.pathType: Unsupported value: "Regex": '
            'supported values: "Exact", "ImplementationSpecific", "Prefix"',
        ]),
        (_ingress({"path": "a//b/.."}), [
            f'{PATH}.path: Invalid value: "a//b/..": must be an absolute path',
            f"{PATH}.path: Invalid value: \"a//b/..\": must not contain '//'",
            f"{PATH}.path: Invalid value: \"a//b/..\": cannot end with '/..'",
        ]),
        (_ingress({"backend": {}}), [
            f'{PATH}.backend: Invalid value: "": resource or service backend is required',
        ]),
        (_ingress({"backend": {"service": {"port": {"name": "http", "number": 80}}}}), [
            f"{PATH}.backend.service.name: Required value",
            f'{PATH}.backend: Invalid value: "": cannot set both port name & port number',
        ]),
        (_ingress(rules=[{"host": "10.0.0.1"}]), [
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ]),
    ],
)  # fmt: skip
def test_what_ingresses_refuse(registry: Any, ingress: Object, expected: list[str]) -> None:
    assert registry.refused(INGRESSES, ingress) == expected


def test_the_class_annotation_of_ingresses_is_deprecated(registry: Any) -> None:
    ingress = _ingress()
    ingress["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "nginx"}
    registry.create(INGRESSES, ingress)
    assert registry.warnings == [
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    ]


def test_ingress_rows(registry: Any) -> None:
    hosts = [{"host": f"{letter}.example"} for letter in "abcde"]
    ingress = registry.create(INGRESSES, _ingress(rules=hosts, tls=[{}], ingressClassName="nginx"))
    ingress["status"] = {"loadBalancer": {"ingress": [{"ip": "10.1.1.1"}, {"hostname": "lb.example"}]}}
    row = registry.cells(INGRESSES, ingress)
    assert [row[name] for name in ("Class", "Hosts", "Address", "Ports")] == [
        "nginx",
        "a.example,b.example,c.example + 2 more...",
        "10.1.1.1,lb.example",
        "80, 443",
    ]
    anywhere = registry.cells(INGRESSES, _named(spec={"defaultBackend": BACKEND}))
    assert [anywhere[name] for name in ("Class", "Hosts", "Address", "Ports")] == ["<none>", "*", "", "80"]


def test_ingress_classes(registry: Any) -> None:
    parameters = {"apiGroup": "k8s.example", "kind": "Parameters", "name": "external"}
    given = _named(spec={"controller": "example.com/ingress", "parameters": parameters})
    given["metadata"]["annotations"] = {"ingressclass.kubernetes.io/is-default-class": "true"}
    created = registry.create(INGRESSCLASSES, given)
    assert created["spec"]["parameters"]["scope"] == "Cluster"
    row = registry.cells(INGRESSCLASSES, created)
    assert (row["Name"], row["Parameters"]) == ("x (default)", "Parameters.k8s.example/external")
    other = created | {"spec": created["spec"] | {"controller": "example.com/other"}}
    assert registry.update_refused(INGRESSCLASSES, other, created) == [
        'spec.controller: Invalid value: "example.com/other": field is immutable'
    ]
    assert registry.refused(INGRESSCLASSES, _named(spec={"controller": "ingress"})) == [
        'spec.controller: Invalid value: "ingress": must be a domain-prefixed path (such as "acme.io/foo")'
    ]


def test_network_policies_are_defaulted(registry: Any) -> None:
    policy = registry.create(NETWORKPOLICIES, _named(spec={"egress": [{"ports": [{"port": 53}]}]}))
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["egress"][0]["ports"][0]["protocol"] == "TCP"
    assert registry.create(NETWORKPOLICIES, _named())["spec"]["policyTypes"] == ["Ingress"]
    assert registry.cells(NETWORKPOLICIES, policy)["Pod-Selector"] == "<none>"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"from": [{}]}, ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        ({"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}, [
            "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
        ]),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8", "11.0.0.0/24"]}}]}, [
            'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": '
            "must be a strict subset of `cidr`",
            'spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "11.0.0.0/24": '
            "must be a strict subset of `cidr`",
        ]),
        ({"ports": [{"port": "web", "endPort": 90}, {"endPort": 90}, {"port": 80, "endPort": 79}]}, [
            "spec.ingress[0].ports[0].endPort: Invalid value: 90: "
            "may not be specified when `port` is non-numeric",
            "spec.ingress[0].ports[1].endPort: Invalid value: 90: "
            "may not be specified when `port` is not specified",
            "spec.ingress[0].ports[2].endPort: Invalid value: 79: must be greater than or equal to `port`",
        ]),
    ],
)  # fmt: skip
def test_what_network_policies_refuse(registry: Any, rule: Object, expected: list[str]) -> None:
    assert registry.refused(NETWORKPOLICIES, _named(spec={"ingress": [rule]})) == expected


def test_ip_addresses(registry: Any) -> None:
    parent = {"resource": "services", "namespace": "default", "name": "web"}
    address = registry.create(IPADDRESSES, _named("10.96.0.10", spec={"parentRef": parent}))
    assert registry.cells(IPADDRESSES, address)["ParentRef"] == "services/default/web"
    assert registry.refused(IPADDRESSES, _named("10.96.0.10")) == ["spec.parentRef: Required value"]
    assert registry.refused(IPADDRESSES, _named("fd00::0:1", spec={"parentRef": parent})) == [
        'metadata.name: Invalid value: "fd00::0:1": must be in canonical form ("fd00::1")'
    ]


def test_service_cidrs(registry: Any) -> None:
    cidr = registry.create(SERVICECIDRS, _named(spec={"cidrs": ["10.96.0.0/16"]}))
    dual = registry.update(SERVICECIDRS, cidr | {"spec": {"cidrs": ["10.96.0.0/16", "fd00::/112"]}}, cidr)
    assert registry.cells(SERVICECIDRS, dual)["CIDRs"] == "10.96.0.0/16,fd00::/112"
    assert registry.update_refused(SERVICECIDRS, cidr | {"spec": {"cidrs": ["10.97.0.0/16"]}}, cidr) == [
        'spec.cidrs[0]: Invalid value: "10.97.0.0/16": field is immutable'
    ]
    assert registry.refused(SERVICECIDRS, _named()) == ["spec.cidrs: Required value: at least one CIDR required"]
