"""What files a volume made of API objects holds. Pure: the objects have been fetched already.

Words of the errors are the kubelet's, for users find them in FailedMount events.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from agent.pods.environment.downward import PodFacts, field_value, resource_value
from agent.pods.environment.faults import EnvironmentFault
from agent.pods.model import all_containers, spec_of
from agent.pods.volumes.atomic import File
from agent.pods.volumes.errors import VolumeError
from minikube_py.api.meta import labels_of
from minikube_py.api.pem import blocks, encode
from minikube_py.api.resources import CLUSTERTRUSTBUNDLES, CONFIGMAPS, SECRETS, Resource
from minikube_py.api.selectors import label_selector_of
from minikube_py.api.types import Object

Source = Mapping[str, Any]
Files = dict[str, File]
DEFAULT_MODE = 0o644
DEFAULT_TOKEN_SECONDS = 3600
DEFAULT_CERTIFICATE_SECONDS = 86400


class Reference(NamedTuple):
    """An object that a volume is made of."""

    resource: Resource
    name: str
    optional: bool


class TokenRequest(NamedTuple):
    """A service account token that a volume asks for."""

    audience: str
    seconds: int


class CertificateRequest(NamedTuple):
    """A certificate that one source of a volume asks for; its paths tell it from others like it."""

    signer: str
    key_type: str
    seconds: int
    annotations: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]


class Credential(NamedTuple):
    """A private key and the chain of certificates that goes with it, both in PEM."""

    key: bytes
    chain: bytes


class Inputs(NamedTuple):
    """What has been fetched for a pod.

    Objects by reference (None: not there), tokens, the node's allocatable, each signer's trust bundles, certificates.
    """

    objects: Mapping[tuple[Resource, str], Object | None]
    tokens: Mapping[TokenRequest, str]
    allocatable: Mapping[str, str]
    bundles: Mapping[str, Sequence[Object]] = MappingProxyType({})
    certificates: Mapping[CertificateRequest, Credential] = MappingProxyType({})


def sources_of(volume: Source) -> list[Source]:
    """The projections a volume is made of; a plain configMap, secret or downwardAPI volume is one projection."""
    if "projected" in volume:
        return list(volume["projected"].get("sources") or ())
    return [{key: volume[key]} for key in ("configMap", "secret", "downwardAPI") if key in volume]


def references_of(volume: Source) -> Iterator[Reference]:
    """The objects that the volume needs by name."""
    for source in sources_of(volume):
        if (config := source.get("configMap")) is not None:
            yield Reference(CONFIGMAPS, config.get("name", ""), bool(config.get("optional")))
        if (secret := source.get("secret")) is not None:
            name = secret.get("secretName") or secret.get("name", "")
            yield Reference(SECRETS, name, bool(secret.get("optional")))
        if (bundle := source.get("clusterTrustBundle")) is not None and bundle.get("name") is not None:
            yield Reference(CLUSTERTRUSTBUNDLES, bundle["name"], bool(bundle.get("optional")))


def signers_of(volume: Source) -> Iterator[str]:
    """The signers whose trust bundles the volume needs."""
    for source in sources_of(volume):
        if (bundle := source.get("clusterTrustBundle")) is not None and bundle.get("signerName") is not None:
            yield bundle["signerName"]


def tokens_of(volume: Source) -> Iterator[TokenRequest]:
    """The tokens that the volume needs."""
    for source in sources_of(volume):
        if (token := source.get("serviceAccountToken")) is not None:
            seconds = token.get("expirationSeconds")
            yield TokenRequest(token.get("audience") or "", DEFAULT_TOKEN_SECONDS if seconds is None else int(seconds))


def certificates_of(volume: Source) -> Iterator[CertificateRequest]:
    """The certificates that the volume needs."""
    for source in sources_of(volume):
        if (asked := source.get("podCertificate")) is not None:
            yield _certificate_request(asked)


def _certificate_request(source: Source) -> CertificateRequest:
    annotations = tuple(sorted((source.get("userAnnotations") or {}).items()))
    seconds = source.get("maxExpirationSeconds")
    paths = tuple(source.get(name) or "" for name in _CREDENTIALS)
    lifetime = DEFAULT_CERTIFICATE_SECONDS if seconds is None else int(seconds)
    return CertificateRequest(source["signerName"], source["keyType"], lifetime, annotations, paths)


def volume_files(pod: Object, volume: Source, inputs: Inputs) -> Files:
    """The files of one volume. Raises VolumeError for a missing object or key that is not optional."""
    mode = _default_mode(volume)
    files: Files = {}
    for source in sources_of(volume):
        for kind, project in _PROJECTIONS.items():
            if kind in source:
                files |= project(pod, source[kind], inputs, mode)
                break
        else:
            raise VolumeError(f"projected volumes of {', '.join(source)} are not supported by this node")
    return files


def _default_mode(volume: Source) -> int:
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if kind in volume:
            mode = volume[kind].get("defaultMode")
            return DEFAULT_MODE if mode is None else int(mode)
    return DEFAULT_MODE


def _config_map(_pod: Object, source: Source, inputs: Inputs, mode: int) -> Files:
    name = source.get("name", "")
    found = _object(inputs, CONFIGMAPS, name, source, "configmap")
    data = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    data |= {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}
    return _select(data, source, mode, "config")


def _secret(_pod: Object, source: Source, inputs: Inputs, mode: int) -> Files:
    name = source.get("secretName") or source.get("name", "")
    found = _object(inputs, SECRETS, name, source, "secret")
    data = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
    return _select(data, source, mode, "secret")


def _object(inputs: Inputs, resource: Resource, name: str, source: Source, word: str) -> Object:
    found = inputs.objects.get((resource, name))
    if found is None and not source.get("optional"):
        raise VolumeError(f'{word} "{name}" not found')
    return found or {}


def _select(data: Mapping[str, bytes], source: Source, mode: int, word: str) -> Files:
    items: Iterable[Source] = source.get("items") or ()
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item["key"] in data:
            files[_path(item)] = File(data[item["key"]], _mode(item, mode))
        elif not source.get("optional"):
            raise VolumeError(f"references non-existent {word} key: {item['key']}")
    return files


def _downward(pod: Object, source: Source, inputs: Inputs, mode: int) -> Files:
    files = {}
    facts = PodFacts(allocatable=inputs.allocatable)
    for item in source.get("items") or ():
        try:
            text = _downward_text(pod, item, facts)
        except EnvironmentFault as fault:
            raise VolumeError(str(fault)) from fault
        files[_path(item)] = File(text.encode(), _mode(item, mode))
    return files


def _downward_text(pod: Object, item: Source, facts: PodFacts) -> str:
    if "fieldRef" in item:
        return field_value(pod, item["fieldRef"].get("fieldPath", ""), facts)
    return resource_value(pod, spec_of(pod)["containers"][0], item.get("resourceFieldRef") or {}, facts)


def _token(pod: Object, source: Source, inputs: Inputs, mode: int) -> Files:
    """A service account token."""
    request = next(tokens_of({"projected": {"sources": [{"serviceAccountToken": source}]}}))
    return {source.get("path", "token"): _credential(pod, inputs.tokens[request].encode(), mode)}


def _credential(pod: Object, content: bytes, mode: int) -> File:
    """Where it is known who reads it, nobody else may."""
    user = _only_user(pod)
    if user is not None or (spec_of(pod).get("securityContext") or {}).get("fsGroup") is not None:
        mode = 0o600
    return File(content, mode, -1 if user is None else user)


def _trust_bundle(pod: Object, source: Source, inputs: Inputs, mode: int) -> Files:
    """The trust anchors of one bundle, or of all that a signer's label selector finds, each once (KEP-3257)."""
    found = _bundles(source, inputs)
    if not found and not source.get("optional"):
        name = source.get("name")
        if name is not None:
            raise VolumeError(f'clustertrustbundles.certificates.k8s.io "{name}" not found')
        raise VolumeError("combination of signerName and labelSelector matched zero ClusterTrustBundles")
    texts = (bundle["spec"].get("trustBundle") or "" for bundle in found)
    anchors = dict.fromkeys(block.content for text in texts for block in blocks(text))
    content = "".join(encode("CERTIFICATE", anchor) for anchor in anchors)
    return {_path(source): _credential(pod, content.encode(), mode)}


def _bundles(source: Source, inputs: Inputs) -> list[Object]:
    name, selector = source.get("name"), source.get("labelSelector")
    if name is not None:
        bundle = inputs.objects.get((CLUSTERTRUSTBUNDLES, name))
        return [bundle] if bundle is not None else []
    if selector is None:  # nothing, unlike an empty one
        return []
    wanted = label_selector_of(selector)
    candidates = inputs.bundles.get(source.get("signerName") or "", ())
    return [bundle for bundle in candidates if wanted.matches(labels_of(bundle))]


def _only_user(pod: Object) -> int | None:
    """The user that all containers run as, where every one of them says so."""
    whole = (spec_of(pod).get("securityContext") or {}).get("runAsUser")
    users = {(each.spec.get("securityContext") or {}).get("runAsUser", whole) for each in all_containers(pod)}
    return users.pop() if len(users) == 1 else None


def _certificate(pod: Object, source: Source, inputs: Inputs, mode: int) -> Files:
    credential = inputs.certificates[_certificate_request(source)]
    return {
        _path({"path": source[name]}): _credential(pod, content(credential), mode)
        for name, content in _CREDENTIALS.items()
        if source.get(name)
    }


def _mode(item: Source, default: int) -> int:
    mode = item.get("mode")
    return default if mode is None else int(mode)


def _path(item: Source) -> str:
    """A relative path that stays inside the volume: the API server has validated it, an agent checks once more."""
    path = str(item.get("path", ""))
    if not path or path.startswith(("/", "..")) or ".." in path.split("/"):
        raise VolumeError(f"invalid path {path!r}")
    return path


_CREDENTIALS: Mapping[str, Callable[[Credential], bytes]] = {
    "credentialBundlePath": lambda credential: credential.key + credential.chain,
    "keyPath": lambda credential: credential.key,
    "certificateChainPath": lambda credential: credential.chain,
}
_PROJECTIONS: Mapping[str, Callable[[Object, Source, Inputs, int], Files]] = {
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
    "clusterTrustBundle": _trust_bundle,
    "podCertificate": _certificate,
}
