"""What a pod's RuntimeClass costs and where it can run (KEP-585, KEP-688), written into the pod.

Follows ``plugin/pkg/admission/runtimeclass``.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.chain import Attributes
from apiserver.refusals import refused
from minikube_py.api.meta import name_of
from minikube_py.api.podresources import amounts
from minikube_py.api.resources import PODS, RUNTIMECLASSES
from minikube_py.api.types import Object


class RuntimeClass:
    """Fills in ``overhead``, ``nodeSelector`` and ``tolerations`` of new pods that name a RuntimeClass."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Complete a new pod. Raises Forbidden for a class that does not exist or that contradicts the pod."""
        pod = _new_pod(attributes)
        if pod is None:
            return ()
        runtime = _class_of(attributes, pod)
        if overhead := (runtime.get("overhead") or {}).get("podFixed"):
            pod["spec"].setdefault("overhead", overhead)
        _check_overhead(pod, runtime)
        _schedule(pod, runtime.get("scheduling") or {})
        return ()

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Later plugins may have changed the pod. Raises Forbidden."""
        pod = _new_pod(attributes)
        if pod is not None:
            _check_overhead(pod, _class_of(attributes, pod))
        return ()


def _new_pod(attributes: Attributes) -> Object | None:
    creates = attributes.resource is PODS and attributes.operation == "CREATE" and not attributes.subresource
    return attributes.obj if creates else None


def _class_of(attributes: Attributes, pod: Object) -> Object:
    name = pod["spec"].get("runtimeClassName")
    if not name:
        return {}
    found = attributes.reader.get(RUNTIMECLASSES, "", name)
    if found is None:
        raise refused(PODS, name_of(pod), f'pod rejected: RuntimeClass "{name}" not found')
    return found


def _check_overhead(pod: Object, runtime: Object) -> None:
    told, given = (runtime.get("overhead") or {}).get("podFixed"), pod["spec"].get("overhead")
    if told is not None and amounts(told) != amounts(given):
        raise refused(PODS, name_of(pod), "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    if told is None and given is not None:
        raise refused(
            PODS,
            name_of(pod),
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        )


def _schedule(pod: Object, scheduling: Object) -> None:
    spec = pod["spec"]
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.setdefault(key, value) != value:
            raise refused(
                PODS,
                name_of(pod),
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}",
            )
    if selector:
        spec["nodeSelector"] = selector
    given = spec.get("tolerations") or []
    missing = [one for one in scheduling.get("tolerations") or () if one not in given]
    if missing:
        spec["tolerations"] = [*given, *missing]
