"""Checks of containers: regular, init (sidecars among them) and ephemeral."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check, one_of, require_name, require_one_of
from apiserver.registry.core.podspec.environment import validate_env, validate_env_from
from apiserver.registry.core.podspec.mounts import validate_devices, validate_mounts
from apiserver.registry.core.podspec.options import PodFacts
from apiserver.registry.core.podspec.probes import validate_lifecycle, validate_probes
from apiserver.registry.core.podspec.security import validate_security_context
from apiserver.registry.quantities import validate_requirements
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, not_found, not_supported, required, too_many

PROTOCOLS = frozenset({"TCP", "UDP", "SCTP"})
PULL_POLICIES = frozenset({"Always", "IfNotPresent", "Never"})
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_RULE_ACTIONS = ("Restart", "RestartAllContainers")
_NOT_EPHEMERAL = (
    "ports", "resources", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
    "resizePolicy", "restartPolicy", "restartPolicyRules",
)  # fmt: skip
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"


def validate_containers(containers: list[Fields], facts: PodFacts, path: str, errors: Errors) -> None:
    """spec.containers."""
    if not containers:
        errors.append(required(path))
        return
    seen: set[str] = set()
    for index, container in enumerate(containers):
        place = f"{path}[{index}]"
        _validate_common(container, facts, place, errors)
        _validate_unique_name(container, seen, place, errors)
        if (lifecycle := container.get("lifecycle")) is not None:
            validate_lifecycle(lifecycle, facts, f"{place}.lifecycle", errors)
        validate_probes(container, facts, place, errors)
        _validate_restart(container, place, errors)
    _validate_host_ports(containers, path, errors)


def validate_init_containers(containers: list[Fields], facts: PodFacts, path: str, errors: Errors) -> None:
    """spec.initContainers. Only sidecars (restartPolicy Always) have probes and hooks."""
    seen = {container.get("name") or "" for container in facts.spec.get("containers") or ()}
    for index, container in enumerate(containers):
        place = f"{path}[{index}]"
        _validate_common(container, facts, place, errors)
        _validate_restart(container, place, errors)
        _validate_unique_name(container, seen, place, errors)
        _validate_host_ports([container], path, errors)
        if container.get("restartPolicy") == "Always":
            if (lifecycle := container.get("lifecycle")) is not None:
                validate_lifecycle(lifecycle, facts, f"{place}.lifecycle", errors)
            validate_probes(container, facts, place, errors)
        else:
            _validate_plain_init(container, place, errors)


def _validate_plain_init(container: Fields, path: str, errors: Errors) -> None:
    for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            errors.append(forbidden(f"{path}.{name}", _ONLY_SIDECARS))
    for index, policy in enumerate(container.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer":
            place = f"{path}.resizePolicy[{index}].restartPolicy"
            detail = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            errors.append(invalid(place, "RestartContainer", detail))


def validate_ephemeral_containers(containers: list[Fields], facts: PodFacts, path: str, errors: Errors) -> None:
    """spec.ephemeralContainers: few fields are allowed."""
    others = {
        container.get("name") or ""
        for kind in ("containers", "initContainers")
        for container in facts.spec.get(kind) or ()
    }
    seen = set(others)
    for index, container in enumerate(containers):
        place = f"{path}[{index}]"
        _validate_common(container, facts, place, errors)
        validate_image_padding(container, place, errors)
        _validate_unique_name(container, seen, place, errors)
        target = container.get("targetContainerName")
        if target and target not in others:
            errors.append(not_found(f"{place}.targetContainerName", target))
        _validate_ephemeral_fields(container, place, errors)


def _validate_ephemeral_fields(container: Fields, path: str, errors: Errors) -> None:
    detail = "cannot be set for an Ephemeral Container"
    errors.extend(forbidden(f"{path}.{name}", detail) for name in _NOT_EPHEMERAL if container.get(name))
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        for name in ("subPath", "subPathExpr"):
            if mount.get(name):
                errors.append(forbidden(f"{path}.volumeMounts[{index}].{name}", detail))


def _validate_unique_name(container: Fields, seen: set[str], path: str, errors: Errors) -> None:
    name = container.get("name") or ""
    if name in seen:
        errors.append(duplicate(f"{path}.name", name))
    elif name:
        seen.add(name)


def _validate_common(container: Fields, facts: PodFacts, path: str, errors: Errors) -> None:
    get = container.get
    require_name(container, "name", path, errors)
    if not get("image"):
        errors.append(required(f"{path}.image"))
    policy = get("terminationMessagePolicy")
    if policy not in _MESSAGE_POLICIES:
        require_one_of(policy, _MESSAGE_POLICIES, f"{path}.terminationMessagePolicy", errors, listed=_MESSAGE_POLICIES)
    if ports := get("ports"):
        _validate_ports(ports, f"{path}.ports", errors)
    if env := get("env"):
        validate_env(env, f"{path}.env", errors)
    if env_from := get("envFrom"):
        validate_env_from(env_from, f"{path}.envFrom", errors)
    if mounts := get("volumeMounts"):
        validate_mounts(mounts, container, facts, f"{path}.volumeMounts", errors)
    if devices := get("volumeDevices"):
        validate_devices(devices, container, facts, f"{path}.volumeDevices", errors)
    if get("imagePullPolicy") not in PULL_POLICIES:
        require_one_of(get("imagePullPolicy"), PULL_POLICIES, f"{path}.imagePullPolicy", errors)
    if resources := get("resources"):
        validate_requirements(resources, f"{path}.resources", errors, claim_names=facts.claim_names)
    if resize := get("resizePolicy"):
        _validate_resize(resize, facts.restart_policy, f"{path}.resizePolicy", errors)
    if (security := get("securityContext")) is not None:
        validate_security_context(security, facts, f"{path}.securityContext", errors)


def validate_image_padding(container: Fields, path: str, errors: Errors) -> None:
    """A pod's (not a template's) image has no blanks around it."""
    image = container.get("image") or ""
    if image != image.strip():
        errors.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))


def _validate_ports(ports: list[Fields], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"{path}[{index}]", port.get("name")
        if name:
            found = names.port_name(name)
            errors.extend(invalid(f"{place}.name", name, text) for text in found)
            if not found and name in seen:
                errors.append(duplicate(f"{place}.name", name))
            seen.add(name)
        if not port.get("containerPort"):
            errors.append(required(f"{place}.containerPort"))
        else:
            _validate_port(port["containerPort"], f"{place}.containerPort", errors)
        if port.get("hostPort"):
            _validate_port(port["hostPort"], f"{place}.hostPort", errors)
        require_one_of(port.get("protocol"), PROTOCOLS, f"{place}.protocol", errors)


def _validate_port(port: int, path: str, errors: Errors) -> None:
    errors.extend(invalid(path, port, text) for text in names.port_number(port))


def _validate_host_ports(containers: list[Fields], path: str, errors: Errors) -> None:
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                errors.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
            taken.add(key)


def _validate_resize(policies: list[Fields], restart_policy: str, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        require_one_of(name, ("cpu", "memory"), path, errors)
        require_one_of(restart, ("NotRequired", "RestartContainer"), path, errors)
        if restart_policy == "Never" and restart != "NotRequired":
            errors.append(invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))


def _validate_restart(container: Fields, path: str, errors: Errors) -> None:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        if rules:
            detail = "must specify restartPolicy when restart rules are used"
            errors.append(required(f"{path}.restartPolicy", detail))
    else:
        one_of(policy, _RESTART_POLICIES, f"{path}.restartPolicy", errors)
    if len(rules) > 20:
        errors.append(too_many(f"{path}.restartPolicyRules", len(rules), 20))
    for index, rule in enumerate(rules):
        _validate_restart_rule(rule, f"{path}.restartPolicyRules[{index}]", errors)


def _validate_restart_rule(rule: Fields, path: str, errors: Errors) -> None:
    if rule.get("action") not in _RULE_ACTIONS:
        errors.append(not_supported(f"{path}.action", rule.get("action") or "", _RULE_ACTIONS))
    codes = rule.get("exitCodes")
    if codes is None:
        errors.append(required(f"{path}.exitCodes", "must be specified"))
        return
    one_of(codes.get("operator") or "", ("In", "NotIn"), f"{path}.exitCodes.operator", errors)
    if len(codes.get("values") or ()) > 255:
        errors.append(too_many(f"{path}.exitCodes.values", len(codes["values"]), 255))


def validate_resource_claims(claims: list[Fields], path: str, errors: Errors) -> None:
    """spec.resourceClaims: a name and exactly one place to take the claim from."""
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        place, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            errors.append(required(f"{place}.name"))
        elif name in seen:
            errors.append(duplicate(f"{place}.name", name))
        else:
            check(names.dns1123_label, name, f"{place}.name", errors)
            seen.add(name)
        given = [key for key in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(key) is not None]
        if len(given) == 2:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid(place, claim, detail))
        if not given:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid(place, claim, detail))
        for key in given:
            check(names.subdomain_name, claim[key], f"{place}.{key}", errors)
