"""Managers that write in different versions of a kind: what a write changes, in each one's own terms.

A field set names fields as its version does. Where a kind is served in several versions, the sets of those who write
in another one are compared with the change as it looks there (``structured-merge-diff``, ``merge.Updater``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from apiserver.schema.managedfields.atoms import Atoms
from apiserver.schema.managedfields.comparing import compare_objects
from apiserver.schema.managedfields.fieldsets import FieldSet
from minikube_py.api.types import Object


class Translation(NamedTuple):
    """Another version of a kind: its definition, and how an object of the author's version looks in it."""

    name: str
    convert: Callable[[Object], Object]


#: By apiVersion; the author's own is not among them.
Translations = Mapping[str, Translation]
NO_TRANSLATIONS: Translations = MappingProxyType({})


class Elsewhere:
    """One change as it looks in other versions; worked out where somebody has written in one."""

    def __init__(self, atoms: Atoms, translations: Translations, old: Object, new: Object) -> None:
        self._atoms = atoms
        self._translations = translations
        self._old = old
        self._new = new
        self._known: dict[str, tuple[FieldSet, FieldSet]] = {}

    def changes(self, api_version: str, here: tuple[FieldSet, FieldSet]) -> tuple[FieldSet, FieldSet]:
        """What is changed and what is removed in the terms of a version; ``here`` where that is the author's."""
        translation = self._translations.get(api_version)
        if translation is None:
            return here
        if api_version not in self._known:
            atom = self._atoms.root(translation.name)
            self._known[api_version] = compare_objects(
                atom, translation.convert(self._old), translation.convert(self._new)
            )
        return self._known[api_version]
