"""Names inside a pod: its hostname, ``/etc/resolv.conf`` and ``/etc/hosts``, as the kubelet makes them. Pure.

Sources: ``pkg/kubelet/network/dns/dns.go``, ``kubelet_pods.go`` (managedHostsFileContent and
GeneratePodHostNameAndDomain), and containerd's order of the lines in resolv.conf.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.types import Object

MOST_NAMESERVERS = 3
MOST_SEARCHES = 32
MOST_SEARCH_CHARACTERS = 2048
LONGEST_SEARCH = 253
_HOSTNAME_LENGTH = 63
_FQDN_LENGTH = 64
_CLUSTER_OPTIONS = ("ndots:5",)


class HostnameFault(Exception):
    """The pod cannot have the hostname that it asks for; the message is the kubelet's."""


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What a resolver is told, and what was left out of it (``warnings``: messages of DNSConfigForming events)."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"search {' '.join(self.searches)}"] if self.searches else []
        lines += [f"nameserver {address}" for address in self.nameservers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)


def parse_resolv_conf(text: str) -> ResolvConf:
    """A host's resolv.conf: nameservers add up, of ``search`` and ``options`` lines the last one counts."""
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        word, *values = line.split() or [""]
        if word == "nameserver" and values:
            nameservers.append(values[0])
        elif word == "search":
            searches = [value.removesuffix(".") or "." for value in values]
        elif word == "options":
            options = values
    return ResolvConf(tuple(nameservers), tuple(searches), tuple(options))


def resolv_conf(pod: Object, *, cluster_dns: Sequence[str], cluster_domain: str, host_resolv_conf: str) -> str:
    """The text of the pod's resolv.conf. ``host_resolv_conf`` is the text of the node's."""
    return str(pod_dns(pod, cluster_dns=cluster_dns, cluster_domain=cluster_domain, host_resolv_conf=host_resolv_conf))


def pod_dns(pod: Object, *, cluster_dns: Sequence[str], cluster_domain: str, host_resolv_conf: str) -> ResolvConf:
    """The pod's resolver settings from its dnsPolicy and dnsConfig, within the kubelet's limits."""
    spec = pod.get("spec") or {}
    base = _of_policy(pod, spec, cluster_dns, cluster_domain, parse_resolv_conf(host_resolv_conf))
    config = spec.get("dnsConfig") or {}
    nameservers = dict.fromkeys([*base.nameservers, *(config.get("nameservers") or ())])
    searches = dict.fromkeys([*base.searches, *(config.get("searches") or ())])
    options = _merge_options(base.options, config.get("options") or ())
    return _within_limits(list(nameservers), list(searches), options)


def hostname_of(pod: Object, *, cluster_domain: str = "cluster.local") -> str:
    """The hostname the pod's kernel tells: the short name, or the FQDN with setHostnameAsFQDN. Raises HostnameFault."""
    spec = pod.get("spec") or {}
    hostname, domain = short_hostname(pod), domain_of(pod, cluster_domain=cluster_domain)
    if not domain or not spec.get("setHostnameAsFQDN"):
        return hostname
    name = f"{hostname}.{domain}"
    if len(name) > _FQDN_LENGTH:
        raise HostnameFault(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long "
            f"({_FQDN_LENGTH} characters is the max, {len(name)} characters requested)"
        )
    return name


def short_hostname(pod: Object) -> str:
    """hostnameOverride, hostname or the pod's name, cut to what a hostname can be."""
    spec = pod.get("spec") or {}
    name = str(spec.get("hostnameOverride") or spec.get("hostname") or name_of(pod))
    return name if len(name) <= _HOSTNAME_LENGTH else name[:_HOSTNAME_LENGTH].rstrip("-.")


def domain_of(pod: Object, *, cluster_domain: str = "cluster.local") -> str:
    """``subdomain.namespace.svc.cluster.local`` for a pod with a subdomain, else ""."""
    spec = pod.get("spec") or {}
    if spec.get("hostnameOverride") or not spec.get("subdomain"):
        return ""
    return f"{spec['subdomain']}.{namespace_of(pod)}.svc.{cluster_domain}"


def etc_hosts(pod: Object, ips: Sequence[str], *, cluster_domain: str = "cluster.local", node_hosts: str = "") -> str:
    """The text of the pod's /etc/hosts. ``node_hosts`` is the node's own file, which hostNetwork pods start from."""
    spec = pod.get("spec") or {}
    aliases = _alias_lines(spec.get("hostAliases") or ())
    if spec.get("hostNetwork"):
        return f"# Kubernetes-managed hosts file (host network).\n{node_hosts}{aliases}"
    hostname, domain = short_hostname(pod), domain_of(pod, cluster_domain=cluster_domain)
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    return _LOCAL_NAMES + "".join(f"{address}\t{names}\n" for address in ips) + aliases


_LOCAL_NAMES = (
    "# Kubernetes-managed hosts file.\n"
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)


def _alias_lines(aliases: Iterable[Mapping[str, Any]]) -> str:
    lines = ["\t".join([str(alias.get("ip")), *(alias.get("hostnames") or ())]) for alias in aliases]
    return "".join(f"{line}\n" for line in ["", "# Entries added by HostAliases.", *lines]) if lines else ""


def _of_policy(
    pod: Object, spec: Mapping[str, Any], cluster_dns: Sequence[str], cluster_domain: str, host: ResolvConf
) -> ResolvConf:
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "None":
        return ResolvConf()
    on_host = policy == "Default" or (policy == "ClusterFirst" and spec.get("hostNetwork"))
    if on_host or not cluster_dns:
        return host if spec.get("hostNetwork") else _reachable(host, cluster_dns)
    svc = f"svc.{cluster_domain}"
    cluster = (f"{namespace_of(pod)}.{svc}", svc, cluster_domain) if cluster_domain else ()
    searches = tuple(dict.fromkeys([*cluster, *host.searches]))
    return ResolvConf(tuple(cluster_dns), searches, _CLUSTER_OPTIONS)


def _reachable(host: ResolvConf, cluster_dns: Sequence[str]) -> ResolvConf:
    """A server on the node's own loopback (systemd-resolved, an engine's in its containers) hears no pod. Where there
    is no other, the cluster's DNS asks it for them."""
    heard = tuple(server for server in host.nameservers if not _is_loopback(server))
    return replace(host, nameservers=heard or (tuple(cluster_dns) if host.nameservers else ()))


def _is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _merge_options(base: Sequence[str], configured: Iterable[Mapping[str, Any]]) -> list[str]:
    merged = {name: value for name, _, value in (option.partition(":") for option in base)}
    for option in configured:
        merged[str(option.get("name"))] = str(option.get("value") or "")
    return [f"{name}:{value}" if value else name for name, value in merged.items()]


def _within_limits(nameservers: list[str], searches: list[str], options: list[str]) -> ResolvConf:
    warnings = []
    if len(nameservers) > MOST_NAMESERVERS:
        nameservers = nameservers[:MOST_NAMESERVERS]
        warnings.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
            + " ".join(nameservers)
        )
    kept = [search for search in searches[:MOST_SEARCHES] if len(search) <= LONGEST_SEARCH]
    while len(" ".join(kept)) > MOST_SEARCH_CHARACTERS:
        kept.pop()
    if kept != searches:
        warnings.append(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
            + " ".join(kept)
        )
    return ResolvConf(tuple(nameservers), tuple(kept), tuple(options), tuple(warnings))
