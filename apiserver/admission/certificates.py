"""Signing requests: only those approve and sign whom their signer's permission names, and nobody asks to be a master.

Follows ``plugin/pkg/admission/certificates`` (approval, signing, subjectrestriction).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.auth.access import Access
from apiserver.auth.identity import MASTERS, Identity
from apiserver.auth.rbac import RBAC
from apiserver.refusals import refused
from minikube_py.api.fields import forbidden, invalid_object
from minikube_py.api.meta import name_of
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS, CLUSTERTRUSTBUNDLES, PODCERTIFICATEREQUESTS
from minikube_py.api.types import Object

_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class SignerPermissions(PassivePlugin):
    """Approving takes the verb ``approve`` on a signer (or its whole domain), signing ``sign``, vouching ``attest``."""

    def __init__(self, rbac: RBAC) -> None:
        self._rbac = rbac

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Check an update of a decision or a certificate. Raises Forbidden."""
        old, new = attributes.old, attributes.obj
        if new is None:
            return ()
        if attributes.resource == CLUSTERTRUSTBUNDLES:
            self._check_bundle(attributes, new)
        elif attributes.resource == PODCERTIFICATEREQUESTS:
            self._check_pod_certificate(attributes, new)
        elif attributes.resource != CERTIFICATESIGNINGREQUESTS or old is None:
            return ()
        elif attributes.subresource == "approval":
            self._require(attributes, old, "approve", "requests with")
        elif attributes.subresource == "status" and _outcome(old) != _outcome(new):
            self._require(attributes, old, "sign", "requests with")
        return ()

    def _check_bundle(self, attributes: Attributes, bundle: Object) -> None:
        old = attributes.old or {}
        if (bundle.get("spec") or {}).get("signerName") and bundle.get("spec") != old.get("spec"):
            self._require(attributes, bundle, "attest", "for")

    def _check_pod_certificate(self, attributes: Attributes, request: Object) -> None:
        """Upstream has this one among its validation: the refusal names a field."""
        old, resource = attributes.old or {}, attributes.resource
        if attributes.subresource != "status" or old.get("status") == request.get("status"):
            return
        signer = request["spec"]["signerName"]
        if not self._may(attributes, signer, "sign"):
            detail = f'User "{attributes.user.name}" is not permitted to "sign" for signer "{signer}"'
            fault = forbidden("spec.signerName", detail)
            raise invalid_object(resource.group, resource.kind, name_of(request), [fault])

    def _may(self, attributes: Attributes, signer: str, verb: str) -> bool:
        user = Identity(attributes.user.name, attributes.user.groups)
        names = (signer, f"{signer.partition('/')[0]}/*")
        asked = (Access(verb, CERTIFICATESIGNINGREQUESTS.group, "*", "signers", name=name) for name in names)
        return any(self._rbac.decide(user, access).allowed for access in asked)

    def _require(self, attributes: Attributes, obj: Object, verb: str, what: str) -> None:
        signer = obj["spec"].get("signerName") or ""
        if not self._may(attributes, signer, verb):
            detail = f'user not permitted to {verb} {what} signerName "{signer}"'
            raise refused(attributes.resource, name_of(obj), detail)


class SubjectRestriction(PassivePlugin):
    """A client certificate cannot be asked for in the name of system:masters."""

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Check a new or changed request. Raises Forbidden."""
        obj = attributes.obj
        if attributes.resource != CERTIFICATESIGNINGREQUESTS or attributes.subresource or obj is None:
            return ()
        spec = obj.get("spec") or {}
        if spec.get("signerName") == _CLIENT_SIGNER and MASTERS in _groups(spec.get("request") or ""):
            detail = f"use of {_CLIENT_SIGNER} signer with system:masters group is not allowed"
            raise refused(CERTIFICATESIGNINGREQUESTS, name_of(obj), detail)
        return ()


def _outcome(request: Object) -> tuple[object, object]:
    status = request.get("status") or {}
    return status.get("certificate"), status.get("conditions") or []


def _groups(encoded: str) -> list[str]:
    """Whom the certificate would belong to; what cannot be read is refused by validation."""
    try:
        subject = x509.load_pem_x509_csr(base64.b64decode(encoded)).subject
    except ValueError:
        return []
    return [str(found.value) for found in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
