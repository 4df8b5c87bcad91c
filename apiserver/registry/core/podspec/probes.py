"""Checks of probes and lifecycle hooks."""

from __future__ import annotations

import signal

from apiserver.registry.checks import Errors, Fields, nonnegative, one_of, port_number_or_name, require
from apiserver.registry.core.podspec.options import PodFacts
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, required

_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
_ODD_SIGNALS = {"SIGCLD", "SIGPOLL", "SIGIOT", "SIGSTKFLT"}
_REAL_TIME = {f"SIGRTMIN+{n}" for n in range(1, 16)} | {f"SIGRTMAX-{n}" for n in range(1, 15)}
_LINUX_SIGNALS = {name for name in signal.Signals.__members__ if name != "SIGSEGV_"} | _ODD_SIGNALS | _REAL_TIME


def validate_probes(container: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    """All three probes of a container."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is not None:
            _validate_probe(probe, name == "readinessProbe", facts, f"{path}.{name}", errors)


def _validate_probe(probe: Fields, readiness: bool, facts: PodFacts, path: str, errors: Errors) -> None:
    _validate_handler(probe, _PROBE_HANDLERS, facts, path, errors)
    for name in _NUMBERS:
        nonnegative(probe, name, path, errors)
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    if readiness:
        if grace is not None:
            detail = "must not be set for readinessProbes"
            errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, detail))
    elif probe.get("successThreshold") != 1:
        errors.append(invalid(f"{path}.successThreshold", probe.get("successThreshold") or 0, "must be 1"))


def validate_lifecycle(lifecycle: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    """postStart, preStop and stopSignal."""
    for name in ("postStart", "preStop"):
        hook = lifecycle.get(name)
        if hook is not None:
            _validate_handler(hook, _HOOK_HANDLERS, facts, f"{path}.{name}", errors)
    stop_signal = lifecycle.get("stopSignal")
    if stop_signal is None:
        return
    if facts.os_name is None:
        detail = "may not be set for containers with empty `spec.os.name`"
        errors.append(forbidden(f"{path}.stopSignal", detail))
    elif facts.os_name in ("linux", "windows"):
        known = _WINDOWS_SIGNALS if facts.os_name == "windows" else _LINUX_SIGNALS
        one_of(stop_signal, known, f"{path}.stopSignal", errors)


def _validate_handler(handler: Fields, kinds: tuple[str, ...], facts: PodFacts, path: str, errors: Errors) -> None:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        errors.append(required(path, "must specify a handler type"))
        return
    errors.extend(forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:])
    kind, action = given[0], handler[given[0]]
    place = f"{path}.{kind}"
    if kind == "exec":
        require(action, "command", place, errors)
    elif kind == "httpGet":
        _validate_http(action, place, errors)
    elif kind == "tcpSocket":
        port_number_or_name(action.get("port"), f"{place}.port", errors)
    elif kind == "grpc":
        port_number_or_name(action.get("port"), f"{place}.port", errors)
        if action.get("mode") is not None:
            one_of(action["mode"], ("Plaintext", "TLS"), f"{place}.mode", errors)
    else:
        _validate_sleep(action, facts.grace_seconds, place, errors)


def _validate_http(action: Fields, path: str, errors: Errors) -> None:
    require(action, "path", path, errors)
    port_number_or_name(action.get("port"), f"{path}.port", errors)
    one_of(action.get("scheme") or "", ("HTTP", "HTTPS"), f"{path}.scheme", errors)
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        errors.extend(invalid(f"{path}.httpHeaders", name, text) for text in names.http_header_name(name))


def _validate_sleep(action: Fields, grace: int | None, path: str, errors: Errors) -> None:
    seconds = action.get("seconds") or 0
    if grace is not None and not 0 <= seconds <= grace:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        errors.append(invalid(path, seconds, detail))
