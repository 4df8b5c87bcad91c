"""Keeps the number of pods of ReplicaSets and ReplicationControllers."""

from __future__ import annotations

from minikube_py.api.errors import StatusError
from minikube_py.api.meta import controller_of, uid_of
from minikube_py.api.resources import PODS, REPLICASETS, REPLICATIONCONTROLLERS, Resource
from minikube_py.api.selectors import LabelSelector, from_labels, label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.errors import ConnectionFailed
from minikube_py.controllers import ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.podcontrol import PodControl, is_hopeless, pod_from_template
from minikube_py.controllers.podstate import seconds_until_available
from minikube_py.controllers.replicaset.plan import Scaling, plan_scaling, plan_status


class ReplicaSetController(Controller):
    """One reconciler for both kinds; they differ in their group and in how they write selectors."""

    name = "replicaset-controller"
    account = "replicaset-controller"
    resource: Resource = REPLICASETS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._owners = self.follow(self.resource)
        self._pods = self.follow(PODS, self._owners_of_pod)
        ownership.index_by_controller(self._owners)
        ownership.index_by_controller(self._pods)
        ownership.index_by_namespace(self._owners)
        self._control = PodControl(writes=self.writes, events=self.events)
        self._claims = ownership.Claims(client=context.client, writes=self.writes, owners=self.resource, owned=PODS)

    def selector_of(self, owner: Object) -> LabelSelector:
        """Which pods are meant."""
        return label_selector_of((owner.get("spec") or {}).get("selector"))

    async def reconcile(self, key: ObjectKey) -> None:
        owner = self._owners.get(*key)
        if owner is None:
            return
        selector = self.selector_of(owner)
        if selector.everything:
            return
        pods = await self._claims.claim(owner, selector, ownership.candidates(self._pods, owner))
        scaling = plan_scaling(owner, pods, self._related(owner), self.clock.now())
        error = await self._scale(owner, scaling)
        await self._write_status(key, scaling, error)
        if error is not None and not is_hopeless(error):
            raise error

    async def _scale(self, owner: Object, scaling: Scaling) -> StatusError | ConnectionFailed | None:
        if scaling.create:
            template = (owner.get("spec") or {}).get("template") or {}
            owner = owner | {"apiVersion": self.resource.api_version, "kind": self.resource.kind}
            return await self._control.create_many(
                owner, [pod_from_template(owner, template) for _ in range(scaling.create)]
            )
        return await self._control.delete_many(owner, scaling.delete)

    async def _write_status(
        self, key: ObjectKey, scaling: Scaling, error: StatusError | ConnectionFailed | None
    ) -> None:
        owner = self._owners.get(*key)
        if owner is None:
            return
        now, pods = self.clock.now(), ownership.owned(self._pods, owner)
        failure = ("FailedCreate" if scaling.create else "FailedDelete", str(error)) if error is not None else None
        await self.writes.update_status(self.resource, owner, plan_status(owner, pods, now, failure))
        wait = seconds_until_available(pods, int((owner.get("spec") or {}).get("minReadySeconds") or 0), now)
        if wait is not None:
            self.queue.add_after(key, wait + 0.001)

    def _related(self, owner: Object) -> list[Object]:
        """The pods of all ReplicaSets with the same controller: they crowd a node alike."""
        reference = controller_of(owner)
        family = self._owners.by_index(ownership.CONTROLLER_INDEX, str(reference["uid"])) if reference else [owner]
        members = {uid_of(member) for member in family}
        return [pod for uid in members for pod in self._pods.by_index(ownership.CONTROLLER_INDEX, uid)]

    def _owners_of_pod(self, pod: Object) -> list[ObjectKey]:
        if controller_of(pod) is not None:
            key = ownership.owner_key(pod, self.resource.kind, self.resource.group)
            return [key] if key else []
        labels = (pod.get("metadata") or {}).get("labels") or {}
        if not labels:
            return []
        namespace = pod["metadata"].get("namespace") or ""
        return [
            ObjectKey(namespace, owner["metadata"]["name"])
            for owner in ownership.in_namespace(self._owners, namespace)
            if self.selector_of(owner).matches(labels)
        ]


class ReplicationControllerController(ReplicaSetController):
    """The same for ReplicationControllers."""

    name = "replication-controller"
    account = "replication-controller"
    resource = REPLICATIONCONTROLLERS

    def selector_of(self, owner: Object) -> LabelSelector:
        return from_labels((owner.get("spec") or {}).get("selector"))
