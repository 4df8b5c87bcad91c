"""Labs on the disk: a folder with ``lab.yaml``, a lesson per language and manifests.

01-selector/
    lab.yaml           title, setup, checks, hints, solution (`minikube_py.labs.model`)
    lesson.en.md       what the student reads; lesson.zh.md beside it
    setup.yaml         whatever the steps of lab.yaml apply
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from minikube_py.labs.model import Lab
from minikube_py.labs.variation import Values, choose, fill, fill_all, flat

LANGUAGES = ("en", "zh")
#: The labs that come with minik.
SHIPPED = Path(__file__).parent / "content"
_NUMBERED = re.compile(r"(?:(\d+)-)?([a-z][a-z0-9-]*)")


class LabFault(ValueError):
    """A lab's folder is not as it must be; says which file and why."""


@dataclass(frozen=True, slots=True)
class LabFolder:
    """One lab. ``data`` is lab.yaml as it was written, ``lab`` the same, checked."""

    path: Path
    number: int
    name: str
    data: dict[str, Any]
    lab: Lab

    @property
    def namespace(self) -> str:
        """Where the lab lives."""
        return f"lab-{self.name}"

    def namespaces(self) -> dict[str, str]:
        """Its names in texts -> the real ones; ``namespace`` is the lab's own."""
        return {"namespace": self.namespace} | {name: f"{self.namespace}-{name}" for name in self.lab.namespaces}

    def values(self, seed: str, cluster: Values) -> dict[str, Any]:
        """All values of a student's lab: varied details, namespaces, and what ``cluster`` gives."""
        given = {**cluster, **self.namespaces()}
        return {**given, **flat(fill_all(choose(self.lab.vary, self.name, seed), given))}

    def filled(self, values: Values) -> Lab:
        """The lab with a student's values in it. Raises LabFault, UnknownValue."""
        return _checked(self.path, fill_all(self.data, values))

    def lesson(self, language: str, values: Values) -> str:
        """The lesson; in English where there is none in ``language``. Raises LabFault, UnknownValue."""
        for each in (language, LANGUAGES[0]):
            file = self.path / f"lesson.{each}.md"
            if file.is_file():
                return fill(file.read_text(encoding="utf-8"), values)
        raise LabFault(f"{self.path}: there is no lesson.{LANGUAGES[0]}.md")

    def manifests(self, what: str, values: Values) -> list[tuple[str, str]]:
        """(file, text) of a file of the lab, or of the manifests in a folder of it. Raises LabFault, UnknownValue."""
        place = (self.path / what).resolve()
        if not place.is_relative_to(self.path.resolve()) or not place.exists():
            raise LabFault(f"{self.path}: there is no {what} in it")
        files = [place] if place.is_file() else sorted(place.glob("*.yaml"))
        return [(str(file), fill(file.read_text(encoding="utf-8"), values)) for file in files]

    def digest(self) -> str:
        """Of all its files: a report says by it which version of a lab was passed."""
        found = hashlib.sha256()
        for file in sorted(each for each in self.path.rglob("*") if each.is_file()):
            found.update(f"{file.relative_to(self.path)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
        return found.hexdigest()[:16]


def load(path: Path) -> LabFolder:
    """The lab in the folder ``path``. Raises LabFault."""
    match = _NUMBERED.fullmatch(path.resolve().name)
    if match is None:
        raise LabFault(f"{path}: a lab's folder is named like 03-my-lab")
    file = path / "lab.yaml"
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LabFault(f"{file}: {error}") from error
    if not isinstance(data, dict):
        raise LabFault(f"{file}: not a mapping")
    return LabFolder(path, int(match[1] or 0), match[2], data, _checked(path, data))


def load_all(roots: Sequence[Path]) -> list[LabFolder]:
    """The labs in the folders of ``roots``, by number. Raises LabFault, also for two of one name."""
    labs: dict[str, LabFolder] = {}
    for file in (each for root in roots for each in sorted(root.glob("*/lab.yaml"))):
        one = load(file.parent)
        if one.name in labs:
            raise LabFault(f"{one.path}: there is a lab {one.name} already, in {labs[one.name].path}")
        labs[one.name] = one
    return sorted(labs.values(), key=lambda one: (one.number, one.name))


def _checked(path: Path, data: Any) -> Lab:
    try:
        return Lab.model_validate(data)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        raise LabFault(f"{path}/lab.yaml: {told}") from error
