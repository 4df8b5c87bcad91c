"""Nobody grants what they do not hold: checks on writes of roles and bindings.

Follows ``pkg/registry/rbac/*/policybased``: a role may say only what its writer may do (or the writer has the verb
``escalate``), and a binding may only give a role whose rules its writer holds (or the writer has the verb ``bind``).
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.chain import Attributes, PassivePlugin
from apiserver.auth.access import Access
from apiserver.auth.identity import MASTERS, Identity
from apiserver.auth.rbac import RBAC
from apiserver.auth.rules import Rule, describe, uncovered
from apiserver.refusals import refused
from minikube_py.api.meta import name_of
from minikube_py.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from minikube_py.api.types import Object

_ROLES = (ROLES, CLUSTERROLES)
_BINDINGS = (ROLEBINDINGS, CLUSTERROLEBINDINGS)


class NoEscalation(PassivePlugin):
    """Refuses escalation."""

    def __init__(self, rbac: RBAC) -> None:
        self._rbac = rbac

    def validate(self, attributes: Attributes) -> Sequence[str]:
        """Check a written role or binding. Raises Forbidden."""
        obj, user = attributes.obj, attributes.user
        if obj is None or MASTERS in user.groups or attributes.operation not in ("CREATE", "UPDATE"):
            return ()
        if attributes.resource in _ROLES and not _same(attributes, "rules", "aggregationRule"):
            self._check_role(attributes, obj)
        elif attributes.resource in _BINDINGS and not _same(attributes, "roleRef", "subjects"):
            self._check_binding(attributes, obj)
        return ()

    def _may(self, attributes: Attributes, verb: str, resource: str, name: str) -> bool:
        user = Identity(attributes.user.name, attributes.user.groups)
        access = Access(verb, ROLES.group, "v1", resource, namespace=attributes.namespace, name=name)
        return self._rbac.decide(user, access).allowed

    def _check_role(self, attributes: Attributes, role: Object) -> None:
        if self._may(attributes, "escalate", attributes.resource.plural, name_of(role)):
            return
        if role.get("aggregationRule"):
            self._require(attributes, role, [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])
        self._require(attributes, role, role.get("rules") or [])

    def _check_binding(self, attributes: Attributes, binding: Object) -> None:
        reference = binding.get("roleRef") or {}
        plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
        if not self._may(attributes, "bind", plural, reference.get("name") or ""):
            self._require(attributes, binding, self._rbac.role_rules(reference, attributes.namespace))

    def _require(self, attributes: Attributes, obj: Object, rules: Sequence[Rule]) -> None:
        user = Identity(attributes.user.name, attributes.user.groups)
        missing = uncovered(list(self._rbac.grants(user).rules(attributes.namespace)), rules)
        if not missing:
            return
        groups = " ".join(f'"{group}"' for group in user.groups)
        listing = "\n".join(describe(rule) for rule in missing)
        raise refused(
            attributes.resource,
            name_of(obj),
            f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
            f"{listing}",
        )


def _same(attributes: Attributes, *fields: str) -> bool:
    """An update that leaves these as they are grants nothing."""
    old, new = attributes.old, attributes.obj or {}
    return old is not None and all(old.get(name) == new.get(name) for name in fields)
