"""The controller manager as a part: all controllers over one set of informers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from minikube_py.aio.aheadclock import AheadClock
from minikube_py.aio.clock import Clock
from minikube_py.client import clusterclock
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.config.parts import KeyPair, Network
from minikube_py.controllers.aggregation import ClusterRoleAggregationController
from minikube_py.controllers.certificates.controller import (
    CSRApprovingController,
    CSRCleanerController,
    CSRSigningController,
)
from minikube_py.controllers.certificates.signing import Authority
from minikube_py.controllers.clusterdns import ClusterDNSController
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller
from minikube_py.controllers.cronjob.controller import CronJobController
from minikube_py.controllers.daemonset.controller import DaemonSetController
from minikube_py.controllers.deployment.controller import DeploymentController
from minikube_py.controllers.disruption.controller import DisruptionController
from minikube_py.controllers.endpoints.controller import EndpointsController
from minikube_py.controllers.endpointslice.controller import EndpointSliceController
from minikube_py.controllers.endpointslice.mirroring import EndpointSliceMirroringController
from minikube_py.controllers.garbage.controller import GarbageCollector
from minikube_py.controllers.job.controller import JobController
from minikube_py.controllers.job.ttl import TTLAfterFinishedController
from minikube_py.controllers.namespaces.defaults import RootCAController, ServiceAccountController
from minikube_py.controllers.namespaces.lifecycle import NamespaceController
from minikube_py.controllers.nodes.eviction import TaintEvictionController
from minikube_py.controllers.nodes.lifecycle import NodeLifecycleController
from minikube_py.controllers.nodes.podgc import PodGCController
from minikube_py.controllers.quota.controller import ResourceQuotaController
from minikube_py.controllers.replicaset.controller import ReplicaSetController, ReplicationControllerController
from minikube_py.controllers.servicecidrs.controller import ServiceCIDRController
from minikube_py.controllers.servicecidrs.repair import ServiceAddressRepairController
from minikube_py.controllers.statefulset.controller import StatefulSetController
from minikube_py.controllers.volumes.binder import PersistentVolumeBinder
from minikube_py.controllers.volumes.ephemeral import EphemeralVolumeController
from minikube_py.controllers.volumes.protection import ClaimProtectionController, VolumeProtectionController
from minikube_py.controllers.writes import Writes

#: Controllers that need nothing but the context.
_PLAIN: Sequence[type[Controller]] = (
    ServiceAccountController,
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    StatefulSetController,
    DaemonSetController,
    JobController,
    CronJobController,
    TTLAfterFinishedController,
    DisruptionController,
    ResourceQuotaController,
    ClusterRoleAggregationController,
    EndpointSliceController,
    EndpointsController,
    EndpointSliceMirroringController,
    ServiceCIDRController,
    ServiceAddressRepairController,
    PersistentVolumeBinder,
    ClaimProtectionController,
    VolumeProtectionController,
    EphemeralVolumeController,
    CSRApprovingController,
    CSRCleanerController,
    TaintEvictionController,
    PodGCController,
    NamespaceController,
    GarbageCollector,
)

#: What lessons may put forward (`minik clock`): schedules look at the time of day alone. The others compare it with
#: times that pods, nodes and the API server write by the machine's clock, which cannot be moved.
_CAN_BE_AHEAD: frozenset[type[Controller]] = frozenset({CronJobController})


class ControllerManager:
    """Starts and stops the controllers. ``informers`` may be shared with other parts of the process.

    ``ca_bundle`` is the PEM text that pods get to trust the API server by; ``node_grace_seconds`` is how long a node
    may be silent; ``client_of`` gives the client that acts as a ServiceAccount of kube-system; ``signing`` signs
    CertificateSigningRequests (None: nobody does).
    """

    def __init__(
        self,
        *,
        client_of: Callable[[str], Client],
        informers: InformerSet,
        clock: Clock,
        ca_bundle: str,
        node_grace_seconds: float,
        network: Network,
        signing: KeyPair | None = None,
    ) -> None:
        self._informers = informers
        self._recorders: dict[tuple[str, str], EventRecorder] = {}
        self._client_of = client_of
        self._clock = clock
        self._lesson_clock = AheadClock(clock)
        self._follow_clock = partial(clusterclock.follow, self._lesson_clock, informers)
        self._writes = Writes(client_of(RootCAController.account), informers)
        self._controllers = [
            RootCAController(self._context(RootCAController), bundle=ca_bundle),
            NodeLifecycleController(self._context(NodeLifecycleController), grace_seconds=node_grace_seconds),
            ClusterDNSController(self._context(ClusterDNSController), network=network),
            *(make(self._context(make)) for make in _PLAIN),
        ]
        if signing is not None:
            authority = Authority.read(signing)
            self._controllers.append(CSRSigningController(self._context(CSRSigningController), authority=authority))

    async def start(self) -> None:
        """Begin to reconcile once the caches are filled."""
        self._follow_clock()
        await self._informers.start()
        await self._informers.wait_synced()
        for controller in self._controllers:
            await controller.start()

    async def stop(self) -> None:
        """Stop all controllers, then flush and close what announces for them. The informers are their owner's."""
        await asyncio.gather(*(controller.stop() for controller in self._controllers))
        await asyncio.gather(*(recorder.close() for recorder in self._recorders.values()))

    def debug(self) -> dict[str, int]:
        """How many keys wait in each controller's queue."""
        return {type(controller).__name__: len(controller.queue) for controller in self._controllers}

    def _context(self, controller: type[Controller]) -> Context:
        """What a controller works with: its own identity, and the caches of all."""
        account = controller.account
        client = self._client_of(account)
        recorder = partial(self._recorder, account)
        clock: Clock = self._lesson_clock if controller in _CAN_BE_AHEAD else self._clock
        return Context(client, self._informers, self._writes.acting_as(client), recorder, clock)

    def _recorder(self, account: str, component: str) -> EventRecorder:
        key = (account, component)
        if key not in self._recorders:
            self._recorders[key] = EventRecorder(self._client_of(account), component, clock=self._clock)
        return self._recorders[key]
