"""The order of the plugins, as upstream's default order has them."""

from __future__ import annotations

from apiserver.admission.certificates import SignerPermissions, SubjectRestriction
from apiserver.admission.chain import AdmissionChain, Plugin
from apiserver.admission.escalation import NoEscalation
from apiserver.admission.limits import LimitRanger
from apiserver.admission.namespaces import NamespaceLifecycle
from apiserver.admission.newcomers import DefaultIngressClass, TaintNodesByCondition
from apiserver.admission.nodes import NodeRestriction
from apiserver.admission.pods import DefaultTolerationSeconds, Priority
from apiserver.admission.podsecurity import PodSecurity
from apiserver.admission.quota import ResourceQuota
from apiserver.admission.quotabooks import QuotaBooks
from apiserver.admission.runtimeclass import RuntimeClass
from apiserver.admission.serviceaccounts import ServiceAccountAdmission
from apiserver.admission.storage import DefaultStorageClass, StorageObjectInUseProtection
from apiserver.auth.rbac import RBAC


def default_chain(rbac: RBAC | None, books: QuotaBooks) -> AdmissionChain:
    """Every built-in plugin. Quota comes last: it counts only what all others let pass. ``rbac`` None: all may all."""
    escalation: list[Plugin] = [NoEscalation(rbac)] if rbac is not None else []
    signers: list[Plugin] = [SignerPermissions(rbac)] if rbac is not None else []
    return AdmissionChain(
        [
            NamespaceLifecycle(),
            *escalation,
            LimitRanger(),
            ServiceAccountAdmission(),
            NodeRestriction(),
            TaintNodesByCondition(),
            RuntimeClass(),
            PodSecurity(),
            Priority(),
            DefaultTolerationSeconds(),
            DefaultStorageClass(),
            StorageObjectInUseProtection(),
            *signers,
            SubjectRestriction(),
            DefaultIngressClass(),
            ResourceQuota(books),
        ]
    )
