"""resolv.conf, hosts and hostnames for every kind of pod."""

from __future__ import annotations

from typing import Any

import pytest

from agent.pods.resolver import (
    HostnameFault,
    domain_of,
    etc_hosts,
    hostname_of,
    parse_resolv_conf,
    pod_dns,
    resolv_conf,
)
from minikube_py.api.types import Object

HOST = (
    "# made by hand\nnameserver 9.9.9.9\nnameserver 1.1.1.1\nsearch lost.example\n"
    "search corp.example. lab\noptions rotate\n"
)
CLUSTER = "nameserver 10.96.0.10\noptions ndots:5\n"
CLUSTER_SEARCH = "search team.svc.cluster.local svc.cluster.local cluster.local corp.example lab\n"
HOST_CONF = "search corp.example lab\nnameserver 9.9.9.9\nnameserver 1.1.1.1\noptions rotate\n"


def pod(**spec: Any) -> Object:
    return {"metadata": {"namespace": "team", "name": "web-0"}, "spec": spec}


def conf(**spec: Any) -> str:
    return resolv_conf(pod(**spec), cluster_dns=["10.96.0.10"], cluster_domain="cluster.local", host_resolv_conf=HOST)


@pytest.mark.parametrize(
    ("servers", "spec", "told"),
    [
        (["127.0.0.11"], {"dnsPolicy": "Default"}, ["10.96.0.10"]),
        (["127.0.0.53", "::1", "9.9.9.9"], {"dnsPolicy": "Default"}, ["9.9.9.9"]),
        (["fe80::1%eth0"], {"dnsPolicy": "Default"}, ["fe80::1%eth0"]),
        (["127.0.0.53"], {"dnsPolicy": "Default", "hostNetwork": True}, ["127.0.0.53"]),
        ([], {"dnsPolicy": "Default"}, []),
    ],
)
def test_servers_on_the_nodes_loopback_hear_no_pod(servers: list[str], spec: dict[str, Any], told: list[str]) -> None:
    host = "search corp\n" + "".join(f"nameserver {server}\n" for server in servers)
    found = pod_dns(pod(**spec), cluster_dns=["10.96.0.10"], cluster_domain="cluster.local", host_resolv_conf=host)
    assert (list(found.nameservers), found.searches) == (told, ("corp",))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, CLUSTER_SEARCH + CLUSTER),
        ({"dnsPolicy": "ClusterFirst"}, CLUSTER_SEARCH + CLUSTER),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, HOST_CONF),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, CLUSTER_SEARCH + CLUSTER),
        ({"dnsPolicy": "Default"}, HOST_CONF),
        ({"dnsPolicy": "None"}, ""),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["192.0.2.1"],
                    "searches": ["ns1.svc.cluster-domain.example", "my.dns.search.suffix"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                },
            },
            "search ns1.svc.cluster-domain.example my.dns.search.suffix\nnameserver 192.0.2.1\noptions ndots:2 edns0\n",
        ),
        (
            {
                "dnsConfig": {
                    "nameservers": ["10.96.0.10", "8.8.8.8"],
                    "searches": ["lab", "more.example"],
                    "options": [{"name": "ndots", "value": "1"}],
                }
            },
            CLUSTER_SEARCH.rstrip("\n") + " more.example\nnameserver 10.96.0.10\nnameserver 8.8.8.8\noptions ndots:1\n",
        ),
    ],
)
def test_resolv_conf(spec: dict[str, Any], expected: str) -> None:
    assert conf(**spec) == expected


def test_without_a_cluster_dns_the_hosts_settings_are_used() -> None:
    assert resolv_conf(pod(), cluster_dns=[], cluster_domain="cluster.local", host_resolv_conf=HOST) == HOST_CONF


def test_limits() -> None:
    config = {"nameservers": [f"10.0.0.{n}" for n in range(5)], "searches": [f"s{n}.example" for n in range(40)]}
    found = pod_dns(pod(dnsPolicy="None", dnsConfig=config), cluster_dns=[], cluster_domain="", host_resolv_conf="")
    assert found.nameservers == ("10.0.0.0", "10.0.0.1", "10.0.0.2")
    assert len(found.searches) == 32
    assert found.warnings[0] == (
        "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
        "10.0.0.0 10.0.0.1 10.0.0.2"
    )
    assert found.warnings[1].startswith("Search Line limits were exceeded, some search paths have been omitted, ")


def test_the_search_line_is_cut_to_2048_characters() -> None:
    searches = [f"{n:0200d}" for n in range(12)] + ["x" * 254]
    found = pod_dns(
        pod(dnsPolicy="None", dnsConfig={"searches": searches}), cluster_dns=[], cluster_domain="", host_resolv_conf=""
    )
    assert found.searches == tuple(searches[:10])
    assert len(found.warnings) == 1


def test_a_hosts_file_is_read_as_libc_would() -> None:
    found = parse_resolv_conf("nameserver\n;comment\n\toptions  a b:1 \nsearch .\nsearch x.\n")
    assert (found.nameservers, found.searches, found.options) == ((), ("x",), ("a", "b:1"))


@pytest.mark.parametrize(
    ("spec", "hostname", "domain"),
    [
        ({}, "web-0", ""),
        ({"hostname": "db"}, "db", ""),
        ({"hostname": "db", "subdomain": "pets"}, "db", "pets.team.svc.cluster.local"),
        ({"subdomain": "pets"}, "web-0", "pets.team.svc.cluster.local"),
        (
            {"hostname": "db", "subdomain": "pets", "setHostnameAsFQDN": True},
            "db.pets.team.svc.cluster.local",
            "pets.team.svc.cluster.local",
        ),
        ({"setHostnameAsFQDN": True}, "web-0", ""),
        ({"hostnameOverride": "other.name", "subdomain": "pets", "setHostnameAsFQDN": True}, "other.name", ""),
        ({"hostname": "x" * 62 + "-yz"}, "x" * 62, ""),
    ],
)
def test_hostnames(spec: dict[str, Any], hostname: str, domain: str) -> None:
    assert hostname_of(pod(**spec)) == hostname
    assert domain_of(pod(**spec)) == domain


def test_a_name_that_no_kernel_takes() -> None:
    with pytest.raises(HostnameFault, match=r"\(64 characters is the max, 8\d characters requested\)"):
        hostname_of(pod(hostname="x" * 55, subdomain="pets", setHostnameAsFQDN=True))


HEAD = (
    "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)
ALIASES = [{"ip": "127.0.0.1", "hostnames": ["foo.local", "bar.local"]}, {"ip": "10.1.2.3", "hostnames": ["foo"]}]
ALIAS_LINES = "\n# Entries added by HostAliases.\n127.0.0.1\tfoo.local\tbar.local\n10.1.2.3\tfoo\n"


def test_hosts() -> None:
    assert etc_hosts(pod(), ["10.244.0.5"]) == HEAD + "10.244.0.5\tweb-0\n"
    assert etc_hosts(pod(subdomain="pets"), ["10.244.0.5", "fd00::5"]) == (
        HEAD
        + "10.244.0.5\tweb-0.pets.team.svc.cluster.local\tweb-0\n"
        + "fd00::5\tweb-0.pets.team.svc.cluster.local\tweb-0\n"
    )
    assert etc_hosts(pod(hostAliases=ALIASES), ["10.244.0.5"]) == HEAD + "10.244.0.5\tweb-0\n" + ALIAS_LINES
    assert etc_hosts(pod(hostNetwork=True, hostAliases=ALIASES), ["1.2.3.4"], node_hosts="127.0.0.1 localhost\n") == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n" + ALIAS_LINES
    )
