"""A small healthy cluster as objects, in which tests plant one fault each."""

from __future__ import annotations

import copy
from typing import Any

from minikube_py.api.types import Object
from minikube_py.insight.why.picture import Picture

NODES = ("n1", "n2")
LABEL = "kubernetes.io/service-name"


def condition(kind: str, status: str = "True", **rest: str) -> dict[str, str]:
    return {"type": kind, "status": status, **rest}


class Planted:
    """Service ``default/web`` (10.96.0.20:80 to port "http") of Deployment ``web`` with a pod on each node."""

    def __init__(self) -> None:
        self.service: Object = {
            "kind": "Service",
            "metadata": {"namespace": "default", "name": "web"},
            "spec": {
                "type": "ClusterIP",
                "clusterIP": "10.96.0.20",
                "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            },
        }
        self.services = [self.service]
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {}}
        self.deployment: Object = {
            "kind": "Deployment",
            "metadata": {"namespace": "default", "name": "web", "labels": {"tier": "front"}},
            "spec": {"replicas": 2, "template": template},
            "status": {"replicas": 2},
        }
        self.workloads = [self.deployment]
        self.nodes = [
            {"kind": "Node", "metadata": {"name": name}, "spec": {}, "status": {"conditions": [condition("Ready")]}}
            for name in NODES
        ]
        self.pods = [self._pod(f"web-{number}", node, f"10.244.{number}.2") for number, node in enumerate(NODES)]
        self.slice: Object = {
            "kind": "EndpointSlice",
            "metadata": {"namespace": "default", "name": "web-abc", "labels": {LABEL: "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": [f"10.244.{n}.2"], "nodeName": node, "conditions": {"ready": True}}
                for n, node in enumerate(NODES)
            ],
        }
        self.slices = [self.slice]
        self.claims = [self._claim()]
        self.volumes = [self._volume()]
        self.classes: list[Object] = []
        self.policies: list[Object] = []
        self.events: list[Object] = []
        self.tables: dict[str, dict[str, Any]] = {name: {"synced": True, "routes": [self._route()]} for name in NODES}
        self.silent: dict[str, str] = {}

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.service["spec"]
        return spec

    def picture(self) -> Picture:
        return Picture(
            services=self.services,
            slices=self.slices,
            pods=self.pods,
            nodes=self.nodes,
            workloads=self.workloads,
            claims=self.claims,
            volumes=self.volumes,
            classes=self.classes,
            policies=self.policies,
            events=self.events,
            tables=self.tables,
            silent=self.silent,
        )

    def relabel(self, **labels: str) -> None:
        for pod in self.pods:
            pod["metadata"]["labels"] = labels
        self.deployment["spec"]["template"]["metadata"]["labels"] = labels

    def move_pods(self, namespace: str) -> None:
        for each in (*self.pods, self.deployment):
            each["metadata"]["namespace"] = namespace

    def declare(self, **port: Any) -> None:
        for pod in self.pods:
            pod["spec"]["containers"][0]["ports"] = [port]

    def unready(self, **state: Any) -> None:
        """Every pod's container in this state, and its Ready condition False."""
        for pod in self.pods:
            pod["status"]["conditions"] = [condition("Ready", "False")]
            status = pod["status"]["containerStatuses"][0]
            status |= {"ready": False, **state}

    def unscheduled(self, message: str) -> None:
        for pod in self.pods:
            del pod["spec"]["nodeName"]
            said = condition("PodScheduled", "False", reason="Unschedulable", message=message)
            pod["status"] = {"phase": "Pending", "conditions": [said]}

    def event(self, kind: str, name: str, reason: str, message: str) -> None:
        about = {"kind": kind, "namespace": "default", "name": name}
        moment = f"2026-01-01T00:00:{len(self.events):02}Z"
        self.events.append({"involvedObject": about, "reason": reason, "message": message, "lastTimestamp": moment})

    def second_service(self, **metadata: str) -> Object:
        other = copy.deepcopy(self.service)
        other["metadata"] |= metadata
        self.services.append(other)
        return other

    def unbound(self, **spec: Any) -> None:
        """The claim has no volume, and ``spec`` more in its own."""
        claim = self.claims[0]
        claim["status"] = {"phase": "Pending"}
        del claim["spec"]["volumeName"]
        claim["spec"] |= spec
        self.volumes[0]["spec"].pop("claimRef")
        self.volumes[0]["status"] = {"phase": "Available"}

    @staticmethod
    def _claim() -> Object:
        return {
            "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": "default", "name": "data"},
            "spec": {
                "storageClassName": "disk",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "volumeName": "pv-1",
            },
            "status": {"phase": "Bound"},
        }

    @staticmethod
    def _volume() -> Object:
        return {
            "kind": "PersistentVolume",
            "metadata": {"name": "pv-1"},
            "spec": {
                "storageClassName": "disk",
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "2Gi"},
                "claimRef": {"namespace": "default", "name": "data"},
            },
            "status": {"phase": "Bound"},
        }

    @staticmethod
    def _pod(name: str, node: str, ip: str) -> Object:
        return {
            "kind": "Pod",
            "metadata": {"namespace": "default", "name": name, "labels": {"app": "web"}},
            "spec": {
                "nodeName": node,
                "dnsPolicy": "ClusterFirst",
                "containers": [
                    {
                        "name": "c",
                        "image": "shop:1",
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    }
                ],
            },
            "status": {
                "phase": "Running",
                "podIP": ip,
                "conditions": [condition("Ready")],
                "containerStatuses": [{"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}}],
            },
        }

    @staticmethod
    def _route() -> dict[str, Any]:
        endpoints = [{"address": f"10.244.{n}.2:8080", "node": node} for n, node in enumerate(NODES)]
        return {
            "address": "10.96.0.20:80/TCP",
            "kind": "ClusterIP",
            "service": "default/web",
            "port": "http",
            "verdict": "Forward",
            "endpoints": endpoints,
            "excluded": [],
        }
