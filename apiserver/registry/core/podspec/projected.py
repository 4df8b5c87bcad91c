"""Checks of projected volumes: several sources under one mount, no file twice."""

from __future__ import annotations

from collections.abc import Callable

from apiserver.registry.checks import Errors, Fields, check, in_range
from apiserver.registry.core.podspec.files import validate_downward_file, validate_key_to_path
from apiserver.registry.core.podspec.paths import local_non_reserved
from apiserver.registry.labelselectors import validate_label_selector
from apiserver.registry.metadata import ANNOTATIONS_SIZE_LIMIT
from minikube_py.api import names
from minikube_py.api.fields import forbidden, invalid, not_supported, required, too_long

_KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_CERTIFICATE_FILES = ("credentialBundlePath", "keyPath", "certificateChainPath")
_DAY = 86400
_LONGEST_SIGNER = 2 * names.SUBDOMAIN_MAX_LENGTH + names.LABEL_MAX_LENGTH + 2
_TWICE = "conflicting duplicate paths"
_SOURCES = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def validate_projected(volume: Fields, path: str, errors: Errors) -> None:
    """The sources of a projected volume."""
    taken: set[str] = set()
    for index, source in enumerate(volume.get("sources") or ()):
        place = f"{path}.sources[{index}]"
        given = [kind for kind in _SOURCES if source.get(kind) is not None]
        for kind in given:
            _validate_source(kind, source[kind], taken, path, f"{place}.{kind}", errors)
        if len(given) > 1:
            errors.append(forbidden(place, "may not specify more than 1 volume type per source"))


def _validate_source(kind: str, source: Fields, taken: set[str], path: str, place: str, errors: Errors) -> None:
    if kind in ("secret", "configMap"):
        _keyed(source, taken, path, place, errors)
    elif kind == "downwardAPI":
        for item in source.get("items") or ():
            validate_downward_file(item, place, errors)
            _take(item.get("path"), taken, path, errors)
    elif kind == "serviceAccountToken":
        _token(source, path, place, errors)
    elif kind == "clusterTrustBundle":
        _trust_bundle(source, place, errors)
        _take(source.get("path") or "", taken, path, errors)
    else:
        _certificate(source, taken, path, place, errors)


def _take(target: str | None, taken: set[str], path: str, errors: Errors, shown: str | None = None) -> None:
    if target is None:
        return
    if target in taken:
        errors.append(invalid(path, target if shown is None else shown, _TWICE))
    taken.add(target)


def _keyed(source: Fields, taken: set[str], path: str, place: str, errors: Errors) -> None:
    name = source.get("name") or ""
    if not name:
        errors.append(required(f"{place}.name"))
    for index, item in enumerate(source.get("items") or ()):
        validate_key_to_path(item, f"{place}.items[{index}]", errors)
        _take(item.get("path") or None, taken, path, errors, name)


def _token(source: Fields, path: str, place: str, errors: Errors) -> None:
    seconds = source.get("expirationSeconds")
    if seconds is None:
        errors.append(required(f"{place}.expirationSeconds"))
    elif seconds < 600:
        detail = "may not specify a duration less than 10 minutes"
        errors.append(invalid(f"{place}.expirationSeconds", seconds, detail))
    elif seconds > 1 << 32:
        detail = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(f"{place}.expirationSeconds", seconds, detail))
    if not source.get("path"):
        errors.append(required(f"{path}.path"))
    else:
        local_non_reserved(source["path"], f"{path}.path", errors)
    in_range(source.get("user"), 0, 2**31 - 1, f"{place}.user", errors)


def _trust_bundle(source: Fields, place: str, errors: Errors) -> None:
    name, signer = source.get("name"), source.get("signerName")
    if name is not None and signer is not None:
        errors.append(invalid(place, source, "only one of name and signerName may be used"))
    elif name is not None:
        _bundle_name(name, place, errors)
        if source.get("labelSelector") is not None:
            detail = "labelSelector must be unset if name is specified"
            errors.append(invalid(f"{place}.labelSelector", source["labelSelector"], detail))
    elif signer is not None:
        if not signer:
            errors.append(required(f"{place}.signerName", "must be a valid signer name"))
        validate_signer_name(signer, f"{place}.signerName", errors)
        validate_label_selector(source.get("labelSelector"), f"{place}.labelSelector", errors)
    else:
        errors.append(required(place, "either name or signerName must be specified"))
    if not source.get("path"):
        errors.append(required(f"{place}.path"))
    in_range(source.get("user"), 0, 2**31 - 1, f"{place}.user", errors)
    local_non_reserved(source.get("path") or "", f"{place}.path", errors)


def _bundle_name(name: str, place: str, errors: Errors) -> None:
    if not name:
        errors.append(required(f"{place}.name", "must be a valid object name"))
    for text in names.dns1123_subdomain(name.rpartition(":")[2]):
        errors.append(invalid(f"{place}.name", name, f"not a valid clustertrustbundlename: {text}"))


def _certificate(source: Fields, taken: set[str], path: str, place: str, errors: Errors) -> None:
    signer, seconds = source.get("signerName") or "", source.get("maxExpirationSeconds")
    validate_signer_name(signer, f"{place}.signerName", errors)
    user_annotations(source.get("userAnnotations") or {}, f"{place}.userAnnotations", errors)
    in_range(source.get("user"), 0, 2**31 - 1, f"{place}.user", errors)
    if source.get("keyType") not in _KEY_TYPES:
        errors.append(not_supported(f"{place}.keyType", source.get("keyType") or "", _KEY_TYPES))
    longest = longest_certificate(signer)
    if seconds is not None and seconds < 3600:
        detail = "if provided, maxExpirationSeconds must be >= 3600"
        errors.append(invalid(f"{place}.maxExpirationSeconds", seconds, detail))
    if seconds is not None and seconds > longest:
        detail = f"if provided, maxExpirationSeconds must be <= {longest}"
        errors.append(invalid(f"{place}.maxExpirationSeconds", seconds, detail))
    given = [name for name in _CERTIFICATE_FILES if source.get(name)]
    for name in given:
        local_non_reserved(source[name], f"{place}.{name}", errors)
        _take(source[name], taken, path, errors)
    if not given:
        detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(place, detail))


def longest_certificate(signer: str) -> int:
    """The seconds that a pod's certificate may be valid for: Kubernetes' own signers give a day at most."""
    domain = signer.partition("/")[0]
    return _DAY if domain == "kubernetes.io" or domain.endswith(".kubernetes.io") else 91 * _DAY


def user_annotations(annotations: dict[str, str], path: str, errors: Errors) -> None:
    """What a pod's author tells a signer: keys with a domain, of a bounded size."""
    for key in annotations:
        check(names.qualified_name, key.lower(), path, errors)
        if "/" not in key:
            errors.append(invalid(path, key.lower(), 'must be a domain-prefixed key (such as "acme.io/foo")'))
    if sum(len(key) + len(value) for key, value in annotations.items()) > ANNOTATIONS_SIZE_LIMIT:
        errors.append(too_long(path, ANNOTATIONS_SIZE_LIMIT))


def validate_signer_name(signer: str, path: str, errors: Errors) -> None:
    """A signer: ``example.com/name``."""
    if not signer:
        errors.append(required(path))
        return
    domain, slash, rest = signer.partition("/")
    if not slash or "/" in rest:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.append(invalid(path, signer, detail))
        return
    if len(domain) > names.SUBDOMAIN_MAX_LENGTH:
        errors.append(too_long(path, names.SUBDOMAIN_MAX_LENGTH))
    _validate_segments(domain, names.dns1123_label, path, errors)
    if "." not in domain:
        detail = "should be a domain with at least two segments separated by dots"
        errors.append(invalid(path, domain, detail))
    _validate_segments(rest, names.dns1123_subdomain, path, errors)
    if len(signer) > _LONGEST_SIGNER:
        errors.append(too_long(path, _LONGEST_SIGNER))


def _validate_segments(dotted: str, rule: Callable[[str], list[str]], path: str, errors: Errors) -> None:
    for label in dotted.split("."):
        found = rule(label)
        if found:
            errors.extend(invalid(path, dotted, f'validating label "{label}": {text}') for text in found)
            return
