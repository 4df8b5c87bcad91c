"""ValidatingWebhookConfigurations and MutatingWebhookConfigurations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from apiserver.registry.admissionregistration.rules import (
    default_matching,
    default_rules,
    validate_match_conditions,
    validate_matching,
    validate_rule,
)
from apiserver.registry.checks import Errors, Fields, check, one_of
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import AGE, NAME, Column, Table, age
from minikube_py.api import names
from minikube_py.api.fields import duplicate, invalid, required
from minikube_py.api.meta import name_of
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_VERSIONS = ("v1", "v1beta1")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_FORM = "; desired format: https://host[/path]"


def _webhooks(obj: Object) -> list[Fields]:
    found: list[Fields] = obj.get("webhooks") or []
    return found


def _defaulter(*, mutating: bool) -> Callable[[Object], None]:
    def default(obj: Object) -> None:
        for hook in _webhooks(obj):
            default_rules(hook.get("rules"))
            default_matching(hook)
            for name, value in (("failurePolicy", "Fail"), ("timeoutSeconds", 10)):
                if hook.get(name) is None:
                    hook[name] = value
            if mutating and hook.get("reinvocationPolicy") is None:
                hook["reinvocationPolicy"] = "Never"
            service = (hook.get("clientConfig") or {}).get("service")
            if service is not None and service.get("port") is None:
                service["port"] = 443

    return default


def _validate(obj: Object, errors: Errors) -> None:
    seen: set[str] = set()
    for index, hook in enumerate(_webhooks(obj)):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        _validate_webhook(hook, path, errors)
        _validate_versions(hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions", errors)
        if name and name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)


def _validate_webhook(hook: Fields, path: str, errors: Errors) -> None:
    _validate_name(hook.get("name") or "", f"{path}.name", errors)
    for index, rule in enumerate(hook.get("rules") or ()):
        validate_rule(rule, f"{path}.rules[{index}]", errors)
    if hook.get("failurePolicy") is not None:
        one_of(hook["failurePolicy"], ("Fail", "Ignore"), f"{path}.failurePolicy", errors)
    effects, seconds = hook.get("sideEffects"), hook.get("timeoutSeconds")
    if effects is None:
        errors.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}"))
    else:
        one_of(effects, _SIDE_EFFECTS, f"{path}.sideEffects", errors)
    if seconds is not None and not 1 <= seconds <= 30:
        detail = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", seconds, detail))
    validate_matching(hook, path, errors)
    if hook.get("reinvocationPolicy") is not None:
        one_of(hook["reinvocationPolicy"], ("IfNeeded", "Never"), f"{path}.reinvocationPolicy", errors)
    _validate_client(hook.get("clientConfig") or {}, f"{path}.clientConfig", errors)
    validate_match_conditions(hook.get("matchConditions") or [], f"{path}.matchConditions", errors)


def _validate_name(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
    elif found := names.dns1123_subdomain(name):
        errors.append(invalid(path, name, ",".join(found)))
    elif name.count(".") < 2:
        detail = "should be a domain with at least three segments separated by dots"
        errors.append(invalid(path, name, detail))


def _validate_client(client: Fields, path: str, errors: Errors) -> None:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif url is not None:
        _validate_url(url, f"{path}.url", errors)
    else:
        _validate_service(service or {}, f"{path}.service", errors)


def _validate_url(text: str, path: str, errors: Errors) -> None:
    try:
        url = urlsplit(text)
    except ValueError as error:
        errors.append(required(path, f"url must be a valid URL: {error}{_FORM}"))
        return
    if url.scheme != "https":
        errors.append(invalid(path, url.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    user, _, host = url.netloc.rpartition("@")
    if not host:
        errors.append(invalid(path, "", f"host must be specified{_FORM}"))
    if user:
        errors.append(invalid(path, user, "user information is not permitted in the URL"))
    if url.fragment:
        errors.append(invalid(path, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        errors.append(invalid(path, url.query, "query parameters are not permitted in the URL"))


def _validate_service(service: Fields, path: str, errors: Errors) -> None:
    # Upstream hands name and namespace over in the wrong order, so their refusals are swapped.
    for given, named in (("namespace", "name"), ("name", "namespace")):
        if not service.get(given):
            errors.append(required(f"{path}.{named}"))
    port = service.get("port") or 0
    if found := names.port_number(port):
        errors.append(invalid(f"{path}.port", port, f"port is not valid: {', '.join(found)}"))
    _validate_url_path(service.get("path") or "/", f"{path}.path", errors)


def _validate_url_path(url_path: str, path: str, errors: Errors) -> None:
    if url_path == "/":
        return
    if url_path == "//":
        errors.append(invalid(path, url_path, "segment[0] may not be empty"))
        return
    if not url_path.startswith("/"):
        errors.append(invalid(path, url_path, "must start with a '/'"))
    for index, step in enumerate(url_path[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid(path, url_path, f"segment[{index}] may not be empty"))
        elif found := names.dns1123_subdomain(step):
            errors.extend(invalid(path, url_path, f"segment[{index}]: {text}") for text in found)


def _validate_versions(versions: list[str], path: str, errors: Errors) -> None:
    if not versions:
        errors.append(required(path, f"must specify one of {', '.join(_VERSIONS)}"))
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        check(names.dns1035_label, version, f"{path}[{index}]", errors)
    if not set(versions) & set(_VERSIONS):
        errors.append(invalid(path, versions, f"must include at least one of {', '.join(_VERSIONS)}"))


def _cells(obj: Object, now: datetime) -> list[Any]:
    return [name_of(obj), len(_webhooks(obj)), age(obj, now)]


_TABLE = Table((NAME, Column("Webhooks", "integer", "How many webhooks there are."), AGE), _cells)


def strategy(resource: Resource) -> KindStrategy:
    """Configurations of webhooks, mutating or validating."""
    return KindStrategy(
        resource=resource,
        defaulter=_defaulter(mutating=resource.kind.startswith("Mutating")),
        generation_fields=("webhooks",),
        validate=_validate,
        table=_TABLE,
        allow_unconditional_update=False,
    )
