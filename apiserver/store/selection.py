"""What a list or a watch asks for: a namespace, a label selector and a field selector, matched against kept slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apiserver.store.labels import Pair
from apiserver.store.objects import StoredObject
from minikube_py.api.selectors import EVERYTHING, FieldSelector, LabelSelector, Operator

ANY_FIELDS = FieldSelector()

Matcher = Callable[[StoredObject], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter over one collection. ``namespace`` "" is every namespace. Equal selections share one watch feed."""

    namespace: str = ""
    labels: LabelSelector = EVERYTHING
    fields: FieldSelector = ANY_FIELDS

    @property
    def everything(self) -> bool:
        """Whether, within its namespace, it takes every object."""
        return self.labels.everything and self.fields.everything

    def name(self) -> str | None:
        """The one name it can match, where metadata.name is required."""
        return self.fields.exact("metadata.name")

    def required_labels(self) -> list[Pair]:
        """Label pairs that every match carries."""
        return [
            (requirement.key, requirement.values[0])
            for requirement in self.labels.requirements
            if requirement.operator in (Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.IN)
            and len(requirement.values) == 1
        ]

    def matcher(self, paths: tuple[str, ...]) -> Matcher:
        """A test over stored objects whose ``fields`` are the values of ``paths``."""
        tests: list[Matcher] = []
        if self.namespace:
            tests.append(_namespace_test(self.namespace))
        if not self.labels.everything:
            label_matches = self.labels.matches
            tests.append(lambda stored: label_matches(stored.labels))
        tests.extend(
            _field_test(requirement.path, requirement.op == "=", requirement.value, paths)
            for requirement in self.fields.requirements
        )
        return _all_of(tests)


def _all_of(tests: list[Matcher]) -> Matcher:
    if not tests:
        return _everything
    if len(tests) == 1:
        return tests[0]
    return lambda stored: all(test(stored) for test in tests)


def _namespace_test(namespace: str) -> Matcher:
    return lambda stored: stored.namespace == namespace


def _field_test(path: str, equal: bool, value: str, paths: tuple[str, ...]) -> Matcher:
    if path == "metadata.name":
        return lambda stored: (stored.name == value) is equal
    if path == "metadata.namespace":
        return lambda stored: (stored.namespace == value) is equal
    position = paths.index(path)
    return lambda stored: (stored.fields[position] == value) is equal


def _everything(stored: StoredObject) -> bool:
    del stored
    return True
