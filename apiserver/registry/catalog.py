"""The strategy of every built-in kind, found by its resource. Adding a kind is a module and a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from apiserver.registry.admissionregistration import mutatingpolicies, policies, webhooks
from apiserver.registry.apps import controllerrevision, daemonset, deployment, replicaset, statefulset
from apiserver.registry.autoscaling import hpa
from apiserver.registry.batch import cronjob, job
from apiserver.registry.certificates import csr, podcertificate, trustbundle
from apiserver.registry.coordination import lease
from apiserver.registry.core import (
    componentstatus,
    configmap,
    endpoints,
    event,
    limitrange,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    podtemplate,
    replicationcontroller,
    resourcequota,
    secret,
    serviceaccount,
)
from apiserver.registry.core.pod import strategy as pod
from apiserver.registry.core.service import strategy as service
from apiserver.registry.core.service.allocators import ServiceAllocators
from apiserver.registry.discovery import endpointslice
from apiserver.registry.flowcontrol import flowschema, prioritylevel
from apiserver.registry.networking import ingress, ingressclass, ipaddress, networkpolicy, servicecidr
from apiserver.registry.node import runtimeclass
from apiserver.registry.policy import poddisruptionbudget
from apiserver.registry.rbac import role, rolebinding
from apiserver.registry.resource import kinds as devices
from apiserver.registry.scheduling import priorityclass
from apiserver.registry.storage import classes, csi, volumeattachment
from apiserver.registry.storagemigration import migration
from apiserver.registry.strategy import KindStrategy, Strategy
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object
from minikube_py.config.parts import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What strategies share and keep between writes: one per API server."""

    services: ServiceAllocators = field(default_factory=lambda: ServiceAllocators.from_network(Network()))

    @classmethod
    def from_network(cls, network: Network) -> Dependencies:
        """Fresh books for a cluster's addresses and ports."""
        return cls(services=ServiceAllocators.from_network(network))

    def rebuild(self, services: Iterable[Object], addresses: Iterable[str] = ()) -> None:
        """Learns what stored Services hold and IPAddress objects name: called once, before the first write."""
        self.services.rebuild(services, addresses)


#: Makes the strategy of one resource.
Factory = Callable[[Resource], Strategy]

_FACTORIES: Mapping[tuple[str, str], Factory] = {
    ("", "ComponentStatus"): componentstatus.strategy,
    ("", "ConfigMap"): configmap.strategy,
    ("", "Endpoints"): endpoints.strategy,
    ("", "Event"): event.strategy,
    ("", "LimitRange"): limitrange.strategy,
    ("", "Namespace"): namespace.strategy,
    ("", "Node"): node.strategy,
    ("", "PersistentVolume"): persistentvolume.strategy,
    ("", "PersistentVolumeClaim"): persistentvolumeclaim.strategy,
    ("", "Pod"): pod.strategy,
    ("", "PodTemplate"): podtemplate.strategy,
    ("", "ReplicationController"): replicationcontroller.strategy,
    ("", "ResourceQuota"): resourcequota.strategy,
    ("", "Secret"): secret.strategy,
    ("", "ServiceAccount"): serviceaccount.strategy,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): mutatingpolicies.strategy,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): mutatingpolicies.binding_strategy,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhooks.strategy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): policies.strategy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): policies.binding_strategy,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhooks.strategy,
    ("apps", "ControllerRevision"): controllerrevision.strategy,
    ("apps", "DaemonSet"): daemonset.strategy,
    ("apps", "Deployment"): deployment.strategy,
    ("apps", "ReplicaSet"): replicaset.strategy,
    ("apps", "StatefulSet"): statefulset.strategy,
    ("autoscaling", "HorizontalPodAutoscaler"): hpa.strategy,
    ("batch", "CronJob"): cronjob.strategy,
    ("batch", "Job"): job.strategy,
    ("certificates.k8s.io", "CertificateSigningRequest"): csr.strategy,
    ("certificates.k8s.io", "ClusterTrustBundle"): trustbundle.strategy,
    ("certificates.k8s.io", "PodCertificateRequest"): podcertificate.strategy,
    ("coordination.k8s.io", "Lease"): lease.strategy,
    ("discovery.k8s.io", "EndpointSlice"): endpointslice.strategy,
    ("events.k8s.io", "Event"): event.strategy,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): flowschema.strategy,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): prioritylevel.strategy,
    ("networking.k8s.io", "Ingress"): ingress.strategy,
    ("networking.k8s.io", "IngressClass"): ingressclass.strategy,
    ("networking.k8s.io", "IPAddress"): ipaddress.strategy,
    ("networking.k8s.io", "NetworkPolicy"): networkpolicy.strategy,
    ("networking.k8s.io", "ServiceCIDR"): servicecidr.strategy,
    ("node.k8s.io", "RuntimeClass"): runtimeclass.strategy,
    ("policy", "PodDisruptionBudget"): poddisruptionbudget.strategy,
    ("rbac.authorization.k8s.io", "ClusterRole"): role.strategy,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): rolebinding.strategy,
    ("rbac.authorization.k8s.io", "Role"): role.strategy,
    ("rbac.authorization.k8s.io", "RoleBinding"): rolebinding.strategy,
    ("resource.k8s.io", "DeviceClass"): devices.class_strategy,
    ("resource.k8s.io", "ResourceClaim"): devices.claim_strategy,
    ("resource.k8s.io", "ResourceClaimTemplate"): devices.template_strategy,
    ("resource.k8s.io", "ResourceSlice"): devices.slice_strategy,
    ("scheduling.k8s.io", "PriorityClass"): priorityclass.strategy,
    ("storage.k8s.io", "CSIDriver"): csi.driver_strategy,
    ("storage.k8s.io", "CSINode"): csi.node_strategy,
    ("storage.k8s.io", "CSIStorageCapacity"): csi.capacity_strategy,
    ("storage.k8s.io", "StorageClass"): classes.strategy,
    ("storage.k8s.io", "VolumeAttachment"): volumeattachment.strategy,
    ("storage.k8s.io", "VolumeAttributesClass"): classes.attributes_strategy,
    ("storagemigration.k8s.io", "StorageVersionMigration"): migration.strategy,
}


def strategy_for(resource: Resource, deps: Dependencies) -> Strategy:
    """The strategy of ``resource``; a kind without rules of its own gets the generic one."""
    key = (resource.group, resource.kind)
    if key == ("", "Service"):
        return service.strategy(resource, deps.services)
    factory = _FACTORIES.get(key)
    if factory is not None:
        return factory(resource)
    return KindStrategy(resource=resource, has_status=resource.subresource("status") is not None)
