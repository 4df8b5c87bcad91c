"""Checks of what a pod tells the scheduler: affinity, node selectors, tolerations, topology spread."""

from __future__ import annotations

from apiserver.registry.checks import Errors, Fields, check, one_of, positive
from apiserver.registry.labelselectors import validate_label_selector
from minikube_py.api import names
from minikube_py.api.fields import duplicate, forbidden, invalid, not_supported, required

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_HARD = "requiredDuringSchedulingIgnoredDuringExecution"
_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_SELECTOR = "must not be specified when labelSelector is not set"
_ALL_KEYS = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def validate_affinity(affinity: Fields, path: str, errors: Errors) -> None:
    """spec.affinity."""
    node = affinity.get("nodeAffinity")
    if node is not None:
        if node.get(_HARD) is not None:
            validate_node_selector(node[_HARD], f"{path}.nodeAffinity.{_HARD}", errors)
        for index, term in enumerate(node.get(_SOFT) or ()):
            place = f"{path}.nodeAffinity.{_SOFT}[{index}]"
            _validate_weight(term, place, errors)
            preference = term.get("preference") or {}
            validate_node_selector_term(preference, f"{place}.preference", errors, values=False)
    for kind in ("podAffinity", "podAntiAffinity"):
        _validate_pod_affinity(affinity.get(kind) or {}, f"{path}.{kind}", errors)


def _validate_pod_affinity(affinity: Fields, path: str, errors: Errors) -> None:
    for index, term in enumerate(affinity.get(_HARD) or ()):
        _validate_affinity_term(term, f"{path}.{_HARD}[{index}]", errors)
    for index, term in enumerate(affinity.get(_SOFT) or ()):
        place = f"{path}.{_SOFT}[{index}]"
        _validate_weight(term, place, errors)
        _validate_affinity_term(term.get("podAffinityTerm") or {}, f"{place}.podAffinityTerm", errors)


def _validate_weight(term: Fields, path: str, errors: Errors) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        errors.append(invalid(f"{path}.weight", weight, "must be in the range 1-100"))


def _validate_affinity_term(term: Fields, path: str, errors: Errors) -> None:
    validate_label_selector(term.get("labelSelector"), f"{path}.labelSelector", errors)
    validate_label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector", errors)
    for namespace in term.get("namespaces") or ():
        check(names.dns1123_label, namespace, f"{path}.namespace", errors)
    _validate_label_keys(term, path, errors)
    key = term.get("topologyKey") or ""
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    check(names.qualified_name, key, f"{path}.topologyKey", errors)


def _validate_label_keys(term: Fields, path: str, errors: Errors) -> None:
    match, mismatch = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    selector = term.get("labelSelector")
    for kind, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            errors.append(forbidden(f"{path}.{kind}", _NO_SELECTOR))
            continue
        for index, key in enumerate(keys):
            check(names.qualified_name, key, f"{path}.{kind}[{index}]", errors)
    used = set((selector or {}).get("matchLabels") or ())
    for expression in (selector or {}).get("matchExpressions") or ():
        key = expression.get("key")
        if key in match and key in used:
            place = f"{path}[{match.index(key)}]"
            errors.append(invalid(place, key, "exists in both matchLabelKeys and labelSelector"))
        used.add(key)
    for index, key in enumerate(match):
        if key in mismatch:
            place = f"{path}.matchLabelKeys[{index}]"
            errors.append(invalid(place, key, "exists in both matchLabelKeys and mismatchLabelKeys"))


def validate_node_selector(selector: Fields, path: str, errors: Errors) -> None:
    """A node selector: at least one term."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(terms):
        validate_node_selector_term(term, f"{path}.nodeSelectorTerms[{index}]", errors)


def validate_node_selector_term(term: Fields, path: str, errors: Errors, *, values: bool = True) -> None:
    """Requirements on labels and on fields. ``values``: whether label values are checked."""
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        _validate_node_label(requirement, f"{path}.matchExpressions[{index}]", errors, values=values)
    for index, requirement in enumerate(term.get("matchFields") or ()):
        _validate_node_field(requirement, f"{path}.matchFields[{index}]", errors)


def _validate_node_label(requirement: Fields, path: str, errors: Errors, *, values: bool) -> None:
    operator, given = requirement.get("operator") or "", requirement.get("values") or []
    if operator in ("In", "NotIn"):
        if not given:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", detail))
    elif operator in ("Gt", "Lt"):
        if len(given) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(f"{path}.values", detail))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    check(names.qualified_name, requirement.get("key") or "", f"{path}.key", errors)
    if values:
        for index, value in enumerate(given):
            check(names.label_value, value, f"{path}.values[{index}]", errors)


def _validate_node_field(requirement: Fields, path: str, errors: Errors) -> None:
    operator, given = requirement.get("operator") or "", requirement.get("values") or []
    if operator not in ("In", "NotIn"):
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    elif len(given) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{path}.values", detail))
    if requirement.get("key") != "metadata.name":
        errors.append(invalid(f"{path}.key", requirement.get("key") or "", "not a valid field selector key"))
        return
    for index, value in enumerate(given):
        check(names.subdomain_name, value, f"{path}.values[{index}]", errors)


def validate_tolerations(tolerations: list[Fields], path: str, errors: Errors) -> None:
    """spec.tolerations."""
    for index, toleration in enumerate(tolerations):
        _validate_toleration(toleration, f"{path}[{index}]", errors)


def _validate_toleration(toleration: Fields, path: str, errors: Errors) -> None:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    value, effect = toleration.get("value") or "", toleration.get("effect") or ""
    if key:
        check(names.qualified_name, key, f"{path}.key", errors)
    elif operator != "Exists":
        errors.append(invalid(f"{path}.operator", operator, _ALL_KEYS))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, detail))
    if operator in ("Equal", ""):
        if found := names.label_value(value):
            errors.append(invalid(f"{path}.operator", value, ";".join(found)))
    elif operator == "Exists":
        if value:
            errors.append(invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'"))
    else:
        choices = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
        errors.append(not_supported(f"{path}.operator", operator, choices))
    if effect:
        one_of(effect, TAINT_EFFECTS, f"{path}.effect", errors, listed=TAINT_EFFECTS)


def validate_topology_spread(constraints: list[Fields], path: str, errors: Errors) -> None:
    """spec.topologySpreadConstraints."""
    pairs = [(item.get("topologyKey") or "", item.get("whenUnsatisfiable") or "") for item in constraints]
    for index, constraint in enumerate(constraints):
        place, (key, action) = f"{path}[{index}]", pairs[index]
        positive(constraint.get("maxSkew") or 0, f"{place}.maxSkew", errors)
        if not key:
            errors.append(required(f"{place}.topologyKey", "can not be empty"))
        one_of(action, ("DoNotSchedule", "ScheduleAnyway"), f"{place}.whenUnsatisfiable", errors)
        if pairs[index] in pairs[index + 1 :]:
            errors.append(duplicate(f"{place}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        _validate_min_domains(constraint.get("minDomains"), action, f"{place}.minDomains", errors)
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(name) is not None:
                one_of(constraint[name], ("Honor", "Ignore"), f"{place}.{name}", errors)
        _validate_label_keys(constraint, place, errors)
        validate_label_selector(constraint.get("labelSelector"), f"{place}.labelSelector", errors)


def _validate_min_domains(domains: int | None, action: str, path: str, errors: Errors) -> None:
    if domains is None:
        return
    positive(domains, path, errors)
    if action != "DoNotSchedule":
        detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        errors.append(invalid(path, domains, detail))


def merge_label_keys(spec: Fields, labels: dict[str, str]) -> None:
    """Turns matchLabelKeys and mismatchLabelKeys into selector requirements, in place (KEP-3633, KEP-3243)."""
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        for term in rules.get(_SOFT) or ():
            _merge_keys(term.get("podAffinityTerm") or {}, labels)
        for term in rules.get(_HARD) or ():
            _merge_keys(term, labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _merge_keys(constraint, labels)


def _merge_keys(term: Fields, labels: dict[str, str]) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for kind, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        added = [
            {"key": key, "operator": operator, "values": [labels[key]]} for key in term.get(kind) or () if key in labels
        ]
        if added:
            selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]
