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
from minikube_py.api.meta import name_of
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS
from minikube_py.api.types import Object

_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class SignerPermissions(PassivePlugin):
    """Approving takes the verb ``approve`` on the signer (or its whole domain), signing the verb ``sign``."""

    def __init__(self, rbac: RBAC) -> None:
        self._rbac = rbac

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Check an update of a decision or a certificate. Raises Forbidden."""
        old, new = attributes.old, attributes.obj
        if attributes.resource != CERTIFICATESIGNINGREQUESTS or old is None or new is None:
            return ()
        if attributes.subresource == "approval":
            self._require(attributes, old, "approve")
        elif attributes.subresource == "status" and _outcome(old) != _outcome(new):
            self._require(attributes, old, "sign")
        return ()

    def _require(self, attributes: Attributes, request: Object, verb: str) -> None:
        signer = request["spec"].get("signerName") or ""
        user = Identity(attributes.user.name, attributes.user.groups)
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            if self._rbac.decide(
                user, Access(verb, CERTIFICATESIGNINGREQUESTS.group, "*", "signers", name=name)
            ).allowed:
                return
        raise refused(
            CERTIFICATESIGNINGREQUESTS,
            name_of(request),
            f'user not permitted to {verb} requests with signerName "{signer}"',
        )


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
