"""Keeps a DaemonSet's pod on each of its nodes, and rolls them."""

from __future__ import annotations

from minikube_py.aio.backoff import KeyedBackoff
from minikube_py.api.errors import StatusError
from minikube_py.api.meta import controller_of, is_deleting, key_of, labels_of, name_of, namespace_of, uid_of
from minikube_py.api.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object, ObjectKey
from minikube_py.client.errors import ConnectionFailed
from minikube_py.controllers import history, ownership
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.daemonset import plan
from minikube_py.controllers.podcontrol import PodControl, is_hopeless
from minikube_py.controllers.podstate import node_of, seconds_until_available


class DaemonSetController(Controller):
    """One key per DaemonSet."""

    name = "daemonset-controller"
    account = "daemon-set-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sets = self.follow(DAEMONSETS)
        self._pods = self.follow(PODS, self._owners_of_pod)
        self._revisions = self.writes.follow(CONTROLLERREVISIONS)
        self._nodes = context.informers.of(NODES)
        self._nodes.subscribe(self._on_node)
        for informer in (self._pods, self._revisions):
            ownership.index_by_controller(informer)
        ownership.index_by_namespace(self._sets)
        self._control = PodControl(writes=self.writes, events=self.events)
        self._claims = ownership.Claims(client=context.client, writes=self.writes, owners=DAEMONSETS, owned=PODS)
        self._history = history.History(client=context.client, writes=self.writes, resource=DAEMONSETS)
        self._backoff: KeyedBackoff[str] = KeyedBackoff(1.0, 900.0)
        self._kill_after: dict[str, float] = {}

    async def reconcile(self, key: ObjectKey) -> None:
        daemons = self._sets.get(*key)
        if daemons is None:
            return
        selector = label_selector_of(plan.spec_of(daemons).get("selector"))
        if selector.everything:
            return
        pods = await self._claims.claim(daemons, selector, ownership.candidates(self._pods, daemons))
        if is_deleting(daemons):
            return
        revision, collisions = await self._revision(daemons)
        nodes, now = self._nodes.list(), self.clock.now()
        suffix = history.hash_of(revision)
        actions = plan.plan_placement(daemons, nodes, pods, suffix)
        if not actions.create and not actions.delete:
            actions = plan.plan_update(daemons, nodes, pods, suffix, now)
        error = await self._act(key, daemons, actions, suffix)
        await self._write_status(key, suffix, collisions)
        if error is not None and not is_hopeless(error):
            raise error

    async def _act(
        self, key: ObjectKey, daemons: Object, actions: plan.Actions, suffix: str
    ) -> StatusError | ConnectionFailed | None:
        patient = [pod for pod in actions.failed if self._must_wait(key, daemons, pod)]
        doomed = [pod for pod in actions.delete if not any(pod is other for other in patient)]
        error = await self._control.delete_many(daemons, doomed)
        daemons = daemons | {"apiVersion": "apps/v1", "kind": "DaemonSet"}
        wanted = [plan.new_pod(daemons, node, suffix) for node in actions.create]
        return await self._control.create_many(daemons, wanted) or error

    def _must_wait(self, key: ObjectKey, daemons: Object, pod: Object) -> bool:
        """A daemon that keeps failing on a node is replaced ever more slowly."""
        place = f"{uid_of(daemons)}/{node_of(pod)}"
        now = self.clock.monotonic()
        due = self._kill_after.get(uid_of(pod))
        if due is None:
            due = now + (self._backoff.next(place) if place in self._backoff else 0.0)
            if place not in self._backoff:
                self._backoff.next(place)
            self._kill_after[uid_of(pod)] = due
        if due > now:
            self.queue.add_after(key, due - now)
            return True
        self._kill_after.pop(uid_of(pod), None)
        message = f"Found failed daemon pod {key_of(pod)} on node {node_of(pod)}, will try to kill it"
        self.events.event(daemons, "Warning", "FailedDaemonPod", message)
        return False

    async def _revision(self, daemons: Object) -> tuple[Object, int]:
        collisions = int((daemons.get("status") or {}).get("collisionCount") or 0)
        existing = ownership.owned(self._revisions, daemons)
        current, collisions = await self._history.current(daemons, existing, collisions)
        live = {labels_of(pod).get(history.HASH_LABEL, "") for pod in ownership.owned(self._pods, daemons)}
        limit = plan.spec_of(daemons).get("revisionHistoryLimit")
        kept = ownership.owned(self._revisions, daemons)
        await self._history.trim(kept, live | {name_of(current)}, 10 if limit is None else int(limit))
        return current, collisions

    async def _write_status(self, key: ObjectKey, suffix: str, collisions: int) -> None:
        daemons = self._sets.get(*key)
        if daemons is None:
            return
        now, pods = self.clock.now(), ownership.owned(self._pods, daemons)
        status = plan.plan_status(daemons, self._nodes.list(), pods, suffix, now, collisions)
        await self.writes.update_status(DAEMONSETS, daemons, status)
        wait = seconds_until_available(pods, int(plan.spec_of(daemons).get("minReadySeconds") or 0), now)
        if wait is not None:
            self.queue.add_after(key, wait + 0.001)

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        """Only what decides about placement matters: a node's labels, taints, coming and going."""
        if old is not None and new is not None:
            same = labels_of(old) == labels_of(new)
            if same and (old.get("spec") or {}).get("taints") == (new.get("spec") or {}).get("taints"):
                return
        for daemons in self._sets.list():
            self.queue.add(key_of(daemons))

    def _owners_of_pod(self, pod: Object) -> list[ObjectKey]:
        if controller_of(pod) is not None:
            key = ownership.owner_key(pod, "DaemonSet", "apps")
            return [key] if key else []
        return [
            key_of(daemons)
            for daemons in ownership.in_namespace(self._sets, namespace_of(pod))
            if label_selector_of(plan.spec_of(daemons).get("selector")).matches(labels_of(pod))
        ]
