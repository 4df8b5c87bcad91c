"""Finding objects by label: keys grouped by their whole label set, groups found by any one of their pairs.

Most objects share their labels with siblings (the pods of a ReplicaSet), so a selector in any of its forms is
evaluated once per distinct label set and not once per object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

Pair = tuple[str, str]


class LabelGroup:
    """All keys that carry exactly ``labels``."""

    __slots__ = ("keys", "labels")

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = labels
        self.keys: set[str] = set()


class LabelIndex:
    """Keys by label set. ``add`` returns the one shared mapping of equal label sets, to be kept by the object."""

    def __init__(self) -> None:
        self._groups: dict[frozenset[Pair], LabelGroup] = {}
        self._by_pair: dict[Pair, set[LabelGroup]] = {}

    def add(self, key: str, labels: Mapping[str, str]) -> Mapping[str, str]:
        """Index ``key`` under ``labels``."""
        identity = frozenset(labels.items())
        group = self._groups.get(identity)
        if group is None:
            group = self._groups[identity] = LabelGroup(dict(labels))
            for pair in identity:
                self._by_pair.setdefault(pair, set()).add(group)
        group.keys.add(key)
        return group.labels

    def remove(self, key: str, labels: Mapping[str, str]) -> None:
        """Forget ``key``, which was added under ``labels``."""
        identity = frozenset(labels.items())
        group = self._groups[identity]
        group.keys.discard(key)
        if group.keys:
            return
        del self._groups[identity]
        for pair in identity:
            holders = self._by_pair[pair]
            holders.discard(group)
            if not holders:
                del self._by_pair[pair]

    def select(self, matches: Callable[[Mapping[str, str]], bool], required: Iterable[Pair] = ()) -> set[str]:
        """Keys whose labels match. ``required`` pairs, which ``matches`` implies, narrow the search."""
        return set().union(*(group.keys for group in self._candidates(required) if matches(group.labels)))

    def _candidates(self, required: Iterable[Pair]) -> list[LabelGroup]:
        holders: list[set[LabelGroup]] = [self._by_pair.get(pair, set()) for pair in required]
        if not holders:
            return list(self._groups.values())
        narrowest = holders[0]
        for groups in holders[1:]:
            if len(groups) < len(narrowest):
                narrowest = groups
        return list(narrowest)
