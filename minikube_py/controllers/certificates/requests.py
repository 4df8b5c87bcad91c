"""What a CertificateSigningRequest asks for, and whether its signer may grant it.

The rules of Kubernetes' own signers, as https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
states them and ``pkg/apis/certificates/helpers.go`` carries them out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cryptography import x509
from cryptography.x509.oid import NameOID

from minikube_py.api.meta import condition_is_true
from minikube_py.api.types import Object

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
#: The signers that a cluster has by itself.
SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)

_NODES = "system:nodes"
_NODE_PREFIX = "system:node:"
_SIGNING, _ENCIPHERING = "digital signature", "key encipherment"
_CLIENT_AUTH, _SERVER_AUTH = "client auth", "server auth"

#: Kinds of alternative names, as refusals call them.
_NAMES: Mapping[str, type[x509.GeneralName]] = MappingProxyType(
    {"DNS": x509.DNSName, "Email": x509.RFC822Name, "IP": x509.IPAddress, "URI": x509.UniformResourceIdentifier}
)


class Unsuitable(Exception):
    """The signer does not sign such a request; the text is for the one who asked."""


def parsed(request: Object) -> x509.CertificateSigningRequest:
    """The PKCS #10 request inside. Raises ValueError for one that cannot be read."""
    return x509.load_pem_x509_csr(base64.b64decode(request["spec"].get("request") or ""))


def usages_of(request: Object) -> list[str]:
    """The key usages that are asked for, in upstream's words."""
    return list(request["spec"].get("usages") or ())


def is_decided(request: Object) -> bool:
    """Whether somebody approved or denied it, or it has its certificate already."""
    status = request.get("status") or {}
    decided = any(condition.get("type") in ("Approved", "Denied") for condition in status.get("conditions") or ())
    return decided or bool(status.get("certificate"))


def awaits_signature(request: Object) -> bool:
    """Approved, for one of our signers, and neither signed nor failed."""
    status = request.get("status") or {}
    conditions = status.get("conditions")
    return (
        request["spec"].get("signerName") in SIGNERS
        and not status.get("certificate")
        and condition_is_true(conditions, "Approved")
        and not condition_is_true(conditions, "Denied")
        and not condition_is_true(conditions, "Failed")
    )


def check(signer: str, wanted: x509.CertificateSigningRequest, usages: Iterable[str]) -> None:
    """Hold a request to the rules of its signer. Raises Unsuitable."""
    match signer:
        case "kubernetes.io/kube-apiserver-client":
            _check_client(usages)
        case "kubernetes.io/kube-apiserver-client-kubelet":
            _check_kubelet_client(wanted, set(usages))
        case "kubernetes.io/kubelet-serving":
            _check_kubelet_serving(wanted, set(usages))


def common_name(wanted: x509.CertificateSigningRequest) -> str:
    """The subject's common name, "" where it has none."""
    found = wanted.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def organizations(wanted: x509.CertificateSigningRequest) -> list[str]:
    """The subject's organizations: the groups of a user."""
    return [str(found.value) for found in wanted.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def is_node_client(request: Object, wanted: x509.CertificateSigningRequest) -> bool:
    """Whether a kubelet may have asked for this, to be known by the API server."""
    if request["spec"].get("signerName") != KUBELET_CLIENT:
        return False
    try:
        _check_kubelet_client(wanted, set(usages_of(request)))
    except Unsuitable:
        return False
    return True


def _check_client(usages: Iterable[str]) -> None:
    given = list(usages)
    for usage in given:
        if usage not in (_SIGNING, _ENCIPHERING, _CLIENT_AUTH):
            raise Unsuitable(f"invalid usage for client certificate: {usage}")
    if _CLIENT_AUTH not in given:
        raise Unsuitable(f"missing required usage for client certificate: {_CLIENT_AUTH}")


def _check_kubelet_client(wanted: x509.CertificateSigningRequest, usages: set[str]) -> None:
    _check_organization(wanted)
    _check_names(wanted, _NAMES)
    _check_node_name(wanted)
    _check_usages(usages, _CLIENT_AUTH)


def _check_kubelet_serving(wanted: x509.CertificateSigningRequest, usages: set[str]) -> None:
    _check_organization(wanted)
    if not any(isinstance(found, x509.DNSName | x509.IPAddress) for found in alternative_names(wanted)):
        raise Unsuitable("DNS or IP subjectAltName is required")
    _check_names(wanted, ("Email", "URI"))
    _check_usages(usages, _SERVER_AUTH)
    _check_node_name(wanted)


def _check_names(wanted: x509.CertificateSigningRequest, forbidden: Iterable[str]) -> None:
    found = alternative_names(wanted)
    for name in forbidden:
        if any(isinstance(each, _NAMES[name]) for each in found):
            raise Unsuitable(f"{name} subjectAltNames are not allowed")


def _check_organization(wanted: x509.CertificateSigningRequest) -> None:
    if organizations(wanted) != [_NODES]:
        raise Unsuitable(f"subject organization is not {_NODES}")


def _check_node_name(wanted: x509.CertificateSigningRequest) -> None:
    if not common_name(wanted).startswith(_NODE_PREFIX):
        raise Unsuitable(f"subject common name does not begin with {_NODE_PREFIX}")


def _check_usages(usages: set[str], purpose: str) -> None:
    """Keys that only sign need no encipherment."""
    if usages not in ({_SIGNING, _ENCIPHERING, purpose}, {_SIGNING, purpose}):
        required = " ".join(sorted((_SIGNING, _ENCIPHERING, purpose)))
        raise Unsuitable(f"usages did not match [{required}]")


def alternative_names(wanted: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """The names beside the subject."""
    try:
        return list(wanted.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
