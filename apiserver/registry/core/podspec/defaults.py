"""Defaults of a pod spec (``pkg/apis/core/v1/defaults.go``), in place and idempotent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.registry.checks import Fields
from apiserver.registry.quantities import default_resource_list

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("postStart", "preStop")


def default_pod_spec(spec: Fields) -> None:
    """Everything that Pods and pod templates have in common."""
    _default_scalars(spec)
    for volume in spec.get("volumes") or ():
        default_volume(volume)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            default_container(container)
    if spec.get("hostNetwork"):
        _default_host_ports(spec)
    if resources := spec.get("resources"):
        default_requirements(resources)
    default_resource_list(spec.get("overhead"))


def _default_scalars(spec: Fields) -> None:
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"


def _default_host_ports(spec: Fields) -> None:
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort")


def default_container(container: Fields) -> None:
    """Pull policy by tag, termination message, ports' protocols, probes."""
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    resources = container.get("resources")
    if resources is None:
        container["resources"] = {}
    elif resources:
        default_requirements(resources)
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env") or ():
        if source := variable.get("valueFrom"):
            _default_variable_source(source)
    for name in _PROBES:
        if (probe := container.get(name)) is not None:
            default_probe(probe)
    for handler in _lifecycle_handlers(container):
        default_http_get(handler)


def _default_variable_source(source: Fields) -> None:
    _default_field_ref(source)
    file_key = source.get("fileKeyRef")
    if file_key is not None and file_key.get("optional") is None:
        file_key["optional"] = False


def _lifecycle_handlers(container: Fields) -> Iterator[Fields]:
    lifecycle = container.get("lifecycle")
    if lifecycle:
        yield from (handler for name in _HANDLERS if (handler := lifecycle.get(name)))


def default_requirements(resources: Fields) -> None:
    """Canonical amounts in requests and limits."""
    default_resource_list(resources.get("limits"))
    default_resource_list(resources.get("requests"))


def default_probe(probe: Fields) -> None:
    """A probe's numbers and its handler."""
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(name):
            probe[name] = value
    default_http_get(probe)
    grpc = probe.get("grpc")
    if grpc is not None and grpc.get("service") is None:
        grpc["service"] = ""


def default_http_get(handler: Fields) -> None:
    """An httpGet handler's path and scheme."""
    http = handler.get("httpGet")
    if http is None:
        return
    if not http.get("path"):
        http["path"] = "/"
    if not http.get("scheme"):
        http["scheme"] = "HTTP"


def pull_policy(image: str) -> str:
    """``Always`` for the tag ``latest`` (or no tag and no digest), ``IfNotPresent`` for everything else."""
    name, at, _digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, "" if at else "latest"
    path = repository.partition("/")[2] or repository
    unreadable = not repository or path != path.lower() or repository != repository.strip()
    return "Always" if tag == "latest" and not unreadable else "IfNotPresent"


_NO_SOURCE = frozenset({"name"})


def default_volume(volume: Fields) -> None:
    """emptyDir where no source is given; file modes, types, expirations."""
    if not any(value is not None for name, value in volume.items() if name not in _NO_SOURCE):
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        source = volume.get(kind)
        if source is not None and source.get("defaultMode") is None:
            source["defaultMode"] = 0o644
    default_volume_sources(volume)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _default_field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        _default_projection(source)
    image = volume.get("image")
    if image is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = pull_policy(image.get("reference") or "")
    ephemeral = volume.get("ephemeral")
    template = ephemeral.get("volumeClaimTemplate") if ephemeral else None
    if template is not None:
        default_claim_spec(template.setdefault("spec", {}))


def _default_projection(source: Fields) -> None:
    token = source.get("serviceAccountToken")
    if token is not None and token.get("expirationSeconds") is None:
        token["expirationSeconds"] = 3600
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        _default_field_ref(item)


_REMOTE: dict[str, dict[str, Any]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_volume_sources(volume: Fields) -> None:
    """Sources that pods and PersistentVolumes share: the kind of a host path, details of storage systems."""
    host_path = volume.get("hostPath")
    if host_path is not None and host_path.get("type") is None:
        host_path["type"] = ""
    for kind, defaults in _REMOTE.items():
        source = volume.get(kind)
        if source is not None:
            for name, value in defaults.items():
                if source.get(name) in (None, ""):
                    source[name] = value


def default_claim_spec(spec: Fields) -> None:
    """A PersistentVolumeClaim's spec."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if resources := spec.get("resources"):
        default_requirements(resources)


def _default_field_ref(source: Fields | None) -> None:
    reference = source.get("fieldRef") if source else None
    if reference is not None and not reference.get("apiVersion"):
        reference["apiVersion"] = "v1"
    resource = source.get("resourceFieldRef") if source else None
    if resource is not None and resource.get("divisor") is None:
        resource["divisor"] = "0"


def default_template(template: Fields | None) -> None:
    """A workload's pod template."""
    if template is not None:
        default_pod_spec(template.setdefault("spec", {}))
