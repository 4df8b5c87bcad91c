"""What every namespace gets: the ServiceAccount ``default`` and the ConfigMap ``kube-root-ca.crt``."""

from __future__ import annotations

from minikube_py.api.errors import AlreadyExists, StatusError
from minikube_py.api.meta import is_deleting, name_of, namespace_of
from minikube_py.api.resources import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS, Resource
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.podcontrol import namespace_is_terminating

DEFAULT_ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class ServiceAccountController(Controller):
    """One key per namespace: its default account is made, and made again when somebody deletes it."""

    name = "serviceaccount-controller"
    account = "service-account-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._namespaces = self.follow(NAMESPACES)
        self._accounts = self.follow(SERVICEACCOUNTS, _namespace_of_default)

    async def reconcile(self, key: ObjectKey) -> None:
        namespace = self._namespaces.get(*key)
        if namespace is None or is_deleting(namespace) or self._accounts.get(key.name, DEFAULT_ACCOUNT):
            return
        account: Object = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": DEFAULT_ACCOUNT, "namespace": key.name},
        }
        await _create(self, account, SERVICEACCOUNTS)


class RootCAController(Controller):
    """One key per namespace: its pods find the API server's CA in a ConfigMap that is kept as it should be."""

    name = "root-ca-certificate-publisher"
    account = "root-ca-cert-publisher"
    workers = 1

    def __init__(self, context: Context, *, bundle: str) -> None:
        super().__init__(context)
        self._bundle = bundle
        self._namespaces = self.follow(NAMESPACES)
        self._maps = self.follow(CONFIGMAPS, _namespace_of_bundle)

    async def reconcile(self, key: ObjectKey) -> None:
        namespace, current = self._namespaces.get(*key), self._maps.get(key.name, ROOT_CA)
        if namespace is None or is_deleting(namespace):
            return
        data = {"ca.crt": self._bundle}
        if current is None:
            meta = {
                "name": ROOT_CA,
                "namespace": key.name,
                "annotations": {"kubernetes.io/description": _DESCRIPTION},
            }
            await _create(self, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}, CONFIGMAPS)
        elif current.get("data") != data:
            await self.writes.update(CONFIGMAPS, current | {"data": data})


async def _create(controller: Controller, obj: Object, resource: Resource) -> None:
    """Create; somebody being faster, or the namespace on its way out, is as good."""
    try:
        await controller.writes.create(resource, obj)
    except AlreadyExists:
        pass
    except StatusError as error:
        if not namespace_is_terminating(error):
            raise


def _namespace_of_default(account: Object) -> list[ObjectKey]:
    return [ObjectKey("", namespace_of(account))] if name_of(account) == DEFAULT_ACCOUNT else []


def _namespace_of_bundle(entry: Object) -> list[ObjectKey]:
    return [ObjectKey("", namespace_of(entry))] if name_of(entry) == ROOT_CA else []
