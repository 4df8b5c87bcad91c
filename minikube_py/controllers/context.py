"""What every controller is given: the road to the API server, the caches it reads, time, and a voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minikube_py.aio.clock import Clock
from minikube_py.client.events import EventRecorder
from minikube_py.client.informers import InformerSet
from minikube_py.client.rest import Client
from minikube_py.controllers.writes import Writes


@dataclass(frozen=True, slots=True)
class Context:
    """Shared by all controllers of one manager. ``recorder(component)`` makes an event recorder."""

    client: Client
    informers: InformerSet
    writes: Writes
    recorder: Callable[[str], EventRecorder]
    clock: Clock
