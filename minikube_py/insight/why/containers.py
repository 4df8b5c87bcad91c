"""Why a container of a pod does not start, does not stay, or does not get its turn or its probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minikube_py.api.meta import name_of, namespace_of
from minikube_py.api.types import Object
from minikube_py.insight.why.finding import Finding
from minikube_py.insight.why.picture import Picture, is_finished

_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")
_NO_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError")
#: Probes whose failure restarts the container, as their events begin.
_RESTARTING = ("Liveness probe", "Startup probe")


def container_findings(picture: Picture, pod: Object) -> Iterator[Finding]:
    """Images that are missing, starts that fail, programs that end, and what ends them."""
    images = {each["name"]: each.get("image", "") for each in all_containers(pod)}
    for status in statuses_of(pod) if not is_finished(pod) else ():
        waiting = (status.get("state") or {}).get("waiting") or {}
        where = f"container {status['name']} of pod {name_of(pod)}"
        said = waiting.get("message") or ""
        if waiting.get("reason") in _NO_IMAGE:
            image = images.get(status["name"], status.get("image", ""))
            fix = f"correct the image's name, or load it: docker save {image} -o image.tar; minik image load image.tar"
            yield Finding("ImageMissing", f'image "{image}" cannot be pulled for {where}: {_core(said)}', fix)
        elif waiting.get("reason") in _NO_START:
            yield Finding(waiting["reason"], f"{where} cannot be started: {said}", "create or correct what it names")
        elif waiting.get("reason") == "CrashLoopBackOff" or _crashed(status):
            yield _crash(picture, pod, where, status)


def _core(message: str) -> str:
    """Without the kubelet's prefixes, which repeat what is said already."""
    return message.partition(": ErrImagePull: ")[2] or message or "no reason given"


def _crashed(status: dict[str, Any]) -> bool:
    ended = (status.get("state") or {}).get("terminated")
    return bool(ended and ended.get("exitCode"))


def _crash(picture: Picture, pod: Object, where: str, status: dict[str, Any]) -> Finding:
    states = (status.get("state") or {}, status.get("lastState") or {})
    ended: dict[str, Any] = next((state["terminated"] for state in states if state.get("terminated")), {})
    times = f"; restarts: {status.get('restartCount', 0)}"
    if ended.get("reason") == "OOMKilled":
        return Finding("OutOfMemory", f"{where} was killed for want of memory{times}", "raise its memory limit")
    probe = _fatal_probe(picture, pod, str(status["name"]))
    if probe:
        fix = "make the probe ask where the program answers, give it more time, or mend what it reports"
        return Finding("ProbeRestarts", f"{where} is restarted again and again: {probe}{times}", fix)
    told = f": {ended['message']}" if ended.get("message") else ""
    cause = f"{where} keeps ending, last with exit code {ended.get('exitCode', 'unknown')}{told}{times}"
    return Finding("CrashLooping", cause, logs_of(pod, status["name"], previous=True))


def _fatal_probe(picture: Picture, pod: Object, container: str) -> str:
    """The words of the probe that has the container killed, or ""."""
    killed = picture.messages(pod, "Killing", kind="Pod")
    if not any(f"Container {container} failed" in each and "probe" in each for each in killed[:1]):
        return ""
    failed = (each for each in picture.messages(pod, "Unhealthy", kind="Pod") if each.startswith(_RESTARTING))
    return next(failed, killed[0])


def logs_of(pod: Object, container: str = "", *, previous: bool = False) -> str:
    """The command that shows what the pod said."""
    words = f"kubectl logs -n {namespace_of(pod)} {name_of(pod)}"
    return words + (f" -c {container}" if container else "") + (" --previous" if previous else "")


def waiting_init(pod: Object) -> Iterator[Finding]:
    """An init container that goes on and on: nothing after it is started."""
    sidecars = {each["name"] for each in _init_containers(pod) if each.get("restartPolicy") == "Always"}
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        running = (status.get("state") or {}).get("running")
        if running is None or status["name"] in sidecars:
            continue
        since = f" since {running['startedAt']}" if running.get("startedAt") else ""
        cause = f"pod {name_of(pod)} waits for its init container {status['name']}, which has been running{since}"
        yield Finding("InitRunning", cause, f"{logs_of(pod, status['name'])} shows what it waits for")
        return


def failing_probe(pod: Object) -> bool:
    """Whether a container that runs has a probe between itself and readiness."""
    probed = {each["name"] for each in all_containers(pod) if each.get("readinessProbe") or each.get("startupProbe")}
    return any(
        each["name"] in probed and "running" in (each.get("state") or {}) and not each.get("ready")
        for each in statuses_of(pod)
    )


def statuses_of(pod: Object) -> list[dict[str, Any]]:
    """What is known of its containers, the init containers first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def all_containers(pod: Object) -> list[dict[str, Any]]:
    """Its containers as they are asked for, the init containers first."""
    spec = pod.get("spec") or {}
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _init_containers(pod: Object) -> list[dict[str, Any]]:
    return (pod.get("spec") or {}).get("initContainers") or []
