"""The built-in resources of Kubernetes v1.37: one declarative table that every part reads.

Adding a kind is adding a row. Names, scopes, short names, categories and subresources are those that upstream's
``/api`` and ``/apis`` discovery documents list; alpha and beta versions are left out, as upstream leaves them off
by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from minikube_py.api.errors import NotFound
from minikube_py.api.types import Object

#: The Kubernetes version whose API this is, as ``/version`` tells it.
KUBERNETES_VERSION = "v1.37.0"

STANDARD_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)


@dataclass(frozen=True, slots=True)
class Subresource:
    """A part of an object under its own path. Group, version and kind are set where its body is another kind's."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str | None = None
    version: str | None = None
    kind: str | None = None


STATUS = Subresource("status")
SCALE = Subresource("scale", group="autoscaling", version="v1", kind="Scale")


@dataclass(frozen=True, slots=True)
class Resource:
    """A served resource: a kind in a group and version, and how it is addressed."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    subresources: tuple[Subresource, ...] = ()

    def __hash__(self) -> int:
        return hash((self.group, self.version, self.plural))  # tables are asked for it several times a request

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def group_resource(self) -> str:
        """``deployments.apps``, ``pods``: how errors name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def stored(self) -> bool:
        """Whether objects are kept; reviews and bindings are answered and forgotten."""
        return "get" in self.verbs

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, an object or a subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


def _connect(name: str, *verbs: str, kind: str) -> Subresource:
    return Subresource(name, verbs=verbs, group="", version="v1", kind=kind)


_PROXY = ("create", "delete", "get", "patch", "update")
_ALL = ("all",)

CONFIGMAPS = Resource("", "v1", "ConfigMap", "configmaps", short_names=("cm",))
ENDPOINTS = Resource("", "v1", "Endpoints", "endpoints", short_names=("ep",))
EVENTS = Resource("", "v1", "Event", "events", short_names=("ev",))
LIMITRANGES = Resource("", "v1", "LimitRange", "limitranges", short_names=("limits",))
NAMESPACES = Resource(
    "", "v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=(Subresource("finalize", verbs=("update",)), STATUS),
)  # fmt: skip
NODES = Resource(
    "", "v1", "Node", "nodes", namespaced=False, short_names=("no",),
    subresources=(_connect("proxy", *_PROXY, kind="NodeProxyOptions"), STATUS),
)  # fmt: skip
PERSISTENTVOLUMECLAIMS = Resource(
    "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",), subresources=(STATUS,)
)
PERSISTENTVOLUMES = Resource(
    "",
    "v1",
    "PersistentVolume",
    "persistentvolumes",
    namespaced=False,
    short_names=("pv",),
    subresources=(STATUS,),
)
PODS = Resource(
    "", "v1", "Pod", "pods", short_names=("po",), categories=_ALL,
    subresources=(
        _connect("attach", "create", "get", kind="PodAttachOptions"),
        Subresource("binding", verbs=CREATE_ONLY, group="", version="v1", kind="Binding"),
        Subresource("ephemeralcontainers"),
        Subresource("eviction", verbs=CREATE_ONLY, group="policy", version="v1", kind="Eviction"),
        _connect("exec", "create", "get", kind="PodExecOptions"),
        Subresource("log", verbs=("get",)),
        _connect("portforward", "create", "get", kind="PodPortForwardOptions"),
        _connect("proxy", *_PROXY, kind="PodProxyOptions"),
        Subresource("resize"),
        STATUS,
    ),
)  # fmt: skip
PODTEMPLATES = Resource("", "v1", "PodTemplate", "podtemplates")
REPLICATIONCONTROLLERS = Resource(
    "", "v1", "ReplicationController", "replicationcontrollers", short_names=("rc",), categories=_ALL,
    subresources=(SCALE, STATUS),
)  # fmt: skip
RESOURCEQUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas", short_names=("quota",), subresources=(STATUS,))
SECRETS = Resource("", "v1", "Secret", "secrets")
SERVICEACCOUNTS = Resource(
    "", "v1", "ServiceAccount", "serviceaccounts", short_names=("sa",),
    subresources=(
        Subresource("token", verbs=CREATE_ONLY, group="authentication.k8s.io", version="v1", kind="TokenRequest"),
    ),
)  # fmt: skip
SERVICES = Resource(
    "", "v1", "Service", "services", short_names=("svc",), categories=_ALL,
    subresources=(_connect("proxy", *_PROXY, kind="ServiceProxyOptions"), STATUS),
)  # fmt: skip
BINDINGS = Resource("", "v1", "Binding", "bindings", verbs=CREATE_ONLY)
COMPONENTSTATUSES = Resource(
    "",
    "v1",
    "ComponentStatus",
    "componentstatuses",
    namespaced=False,
    short_names=("cs",),
    verbs=("get", "list"),
)

CONTROLLERREVISIONS = Resource("apps", "v1", "ControllerRevision", "controllerrevisions")
DAEMONSETS = Resource(
    "apps", "v1", "DaemonSet", "daemonsets", short_names=("ds",), categories=_ALL, subresources=(STATUS,)
)
DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "Deployment",
    "deployments",
    short_names=("deploy",),
    categories=_ALL,
    subresources=(SCALE, STATUS),
)
REPLICASETS = Resource(
    "apps",
    "v1",
    "ReplicaSet",
    "replicasets",
    short_names=("rs",),
    categories=_ALL,
    subresources=(SCALE, STATUS),
)
STATEFULSETS = Resource(
    "apps",
    "v1",
    "StatefulSet",
    "statefulsets",
    short_names=("sts",),
    categories=_ALL,
    subresources=(SCALE, STATUS),
)

CRONJOBS = Resource("batch", "v1", "CronJob", "cronjobs", short_names=("cj",), categories=_ALL, subresources=(STATUS,))
JOBS = Resource("batch", "v1", "Job", "jobs", categories=_ALL, subresources=(STATUS,))

HORIZONTALPODAUTOSCALERS = Resource(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",),
    categories=_ALL, subresources=(STATUS,),
)  # fmt: skip
HORIZONTALPODAUTOSCALERS_V1 = Resource(
    "autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", short_names=("hpa",),
    categories=_ALL, subresources=(STATUS,),
)  # fmt: skip

ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
EVENTS_V1 = Resource("events.k8s.io", "v1", "Event", "events", short_names=("ev",))
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases")

INGRESSES = Resource("networking.k8s.io", "v1", "Ingress", "ingresses", short_names=("ing",), subresources=(STATUS,))
INGRESSCLASSES = Resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False)
IPADDRESSES = Resource("networking.k8s.io", "v1", "IPAddress", "ipaddresses", namespaced=False, short_names=("ip",))
NETWORKPOLICIES = Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", short_names=("netpol",))
SERVICECIDRS = Resource(
    "networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", namespaced=False, subresources=(STATUS,)
)

PODDISRUPTIONBUDGETS = Resource(
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    short_names=("pdb",),
    subresources=(STATUS,),
)

CLUSTERROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTERROLEBINDINGS = Resource(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLEBINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")

CSIDRIVERS = Resource("storage.k8s.io", "v1", "CSIDriver", "csidrivers", namespaced=False)
CSINODES = Resource("storage.k8s.io", "v1", "CSINode", "csinodes", namespaced=False, subresources=(STATUS,))
CSISTORAGECAPACITIES = Resource("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities")
STORAGECLASSES = Resource(
    "storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False, short_names=("sc",)
)
VOLUMEATTACHMENTS = Resource(
    "storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", namespaced=False, subresources=(STATUS,)
)
VOLUMEATTRIBUTESCLASSES = Resource(
    "storage.k8s.io",
    "v1",
    "VolumeAttributesClass",
    "volumeattributesclasses",
    namespaced=False,
    short_names=("vac",),
)

PRIORITYCLASSES = Resource(
    "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short_names=("pc",)
)
RUNTIMECLASSES = Resource("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False)

CERTIFICATESIGNINGREQUESTS = Resource(
    "certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", namespaced=False,
    short_names=("csr",), subresources=(Subresource("approval"), STATUS),
)  # fmt: skip
CLUSTERTRUSTBUNDLES = Resource(
    "certificates.k8s.io", "v1", "ClusterTrustBundle", "clustertrustbundles", namespaced=False
)
PODCERTIFICATEREQUESTS = Resource(
    "certificates.k8s.io", "v1", "PodCertificateRequest", "podcertificaterequests", subresources=(STATUS,)
)

MUTATINGADMISSIONPOLICIES = Resource(
    "admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies",
    namespaced=False, categories=("api-extensions",),
)  # fmt: skip
MUTATINGADMISSIONPOLICYBINDINGS = Resource(
    "admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings",
    namespaced=False, categories=("api-extensions",),
)  # fmt: skip
MUTATINGWEBHOOKCONFIGURATIONS = Resource(
    "admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
    namespaced=False, categories=("api-extensions",),
)  # fmt: skip
VALIDATINGWEBHOOKCONFIGURATIONS = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
    namespaced=False, categories=("api-extensions",),
)  # fmt: skip
VALIDATINGADMISSIONPOLICIES = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies",
    namespaced=False, categories=("api-extensions",), subresources=(STATUS,),
)  # fmt: skip
VALIDATINGADMISSIONPOLICYBINDINGS = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings",
    namespaced=False, categories=("api-extensions",),
)  # fmt: skip

FLOWSCHEMAS = Resource(
    "flowcontrol.apiserver.k8s.io",
    "v1",
    "FlowSchema",
    "flowschemas",
    namespaced=False,
    subresources=(STATUS,),
)
PRIORITYLEVELCONFIGURATIONS = Resource(
    "flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations",
    namespaced=False, subresources=(STATUS,),
)  # fmt: skip

STORAGEVERSIONMIGRATIONS = Resource(
    "storagemigration.k8s.io", "v1", "StorageVersionMigration", "storageversionmigrations", namespaced=False,
    subresources=(STATUS,),
)  # fmt: skip

DEVICECLASSES = Resource("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", namespaced=False)
RESOURCECLAIMS = Resource("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", subresources=(STATUS,))
RESOURCECLAIMTEMPLATES = Resource("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates")
RESOURCESLICES = Resource("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", namespaced=False)

TOKENREVIEWS = Resource(
    "authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=CREATE_ONLY
)
SELFSUBJECTREVIEWS = Resource(
    "authentication.k8s.io",
    "v1",
    "SelfSubjectReview",
    "selfsubjectreviews",
    namespaced=False,
    verbs=CREATE_ONLY,
)
LOCALSUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", verbs=CREATE_ONLY
)
SELFSUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews",
    namespaced=False, verbs=CREATE_ONLY,
)  # fmt: skip
SELFSUBJECTRULESREVIEWS = Resource(
    "authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews",
    namespaced=False, verbs=CREATE_ONLY,
)  # fmt: skip
SUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SubjectAccessReview",
    "subjectaccessreviews",
    namespaced=False,
    verbs=CREATE_ONLY,
)

#: Every built-in resource. Groups are listed in the order in which discovery shows them.
BUILTIN: tuple[Resource, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Resource))


class ResourceTable:
    """Finds a resource by its path or by its kind. Built-in rows and (later) custom ones share one table."""

    def __init__(self, resources: Iterable[Resource] = BUILTIN) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str, str], Resource] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serve one more resource."""
        self._by_path[(resource.group, resource.version, resource.plural)] = resource
        self._by_kind[(resource.group, resource.version, resource.kind)] = resource

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource under ``/apis/group/version/plural``."""
        return self._by_path.get((group, version, plural))

    def for_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource whose objects carry this apiVersion and kind."""
        group, version = split_api_version(api_version)
        return self._by_kind.get((group, version, kind))

    def for_object(self, obj: Object) -> Resource:
        """The resource an object belongs to. Raises NotFound for a kind that is not served."""
        api_version, kind = str(obj.get("apiVersion") or ""), str(obj.get("kind") or "")
        resource = self.for_kind(api_version, kind)
        if resource is None:
            raise NotFound(f'no matches for kind "{kind}" in version "{api_version}"')
        return resource

    def all(self) -> list[Resource]:
        """Every resource, in the order of the table."""
        return list(self._by_path.values())


def split_api_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` -> ("apps", "v1"), ``v1`` -> ("", "v1")."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)
