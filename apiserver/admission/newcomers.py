"""What new Nodes and Ingresses are given: the taint of a node that nobody has seen ready, the default IngressClass.

Follows upstream's plugins TaintNodesByCondition (``plugin/pkg/admission/nodetaint``) and DefaultIngressClass
(``plugin/pkg/admission/network/defaultingressclass``).
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.chain import Attributes, PassivePlugin
from minikube_py.api.meta import annotations_of, name_of
from minikube_py.api.resources import INGRESSCLASSES, INGRESSES, NODES

_NOT_READY = "node.kubernetes.io/not-ready"
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


class TaintNodesByCondition(PassivePlugin):
    """No pod is placed on a node before the node's controller has seen it ready and taken the taint away."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Taint a new Node."""
        node = attributes.obj
        if attributes.resource != NODES or attributes.operation != "CREATE" or attributes.subresource or node is None:
            return ()
        spec = node.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any((taint.get("key"), taint.get("effect")) == (_NOT_READY, "NoSchedule") for taint in taints):
            spec["taints"] = [*taints, {"key": _NOT_READY, "effect": "NoSchedule"}]
        return ()


class DefaultIngressClass(PassivePlugin):
    """An Ingress that does not say whose it is belongs to the newest class that is marked as the default."""

    def admit(self, attributes: Attributes) -> Sequence[str]:
        """Name the class in a new Ingress."""
        ingress = attributes.obj
        new = attributes.resource == INGRESSES and attributes.operation == "CREATE" and not attributes.subresource
        if ingress is None or not new or ingress["spec"].get("ingressClassName") is not None:
            return ()
        if _OLD_CLASS in annotations_of(ingress):
            return ()
        classes = [each for each in attributes.reader.list(INGRESSCLASSES) if _is_default(annotations_of(each))]
        if classes:
            by_name = sorted(classes, key=name_of)
            ingress["spec"]["ingressClassName"] = name_of(
                max(by_name, key=lambda each: str(each["metadata"]["creationTimestamp"]))
            )
        return ()


def _is_default(annotations: dict[str, str]) -> bool:
    return annotations.get(_DEFAULT_CLASS) == "true"
