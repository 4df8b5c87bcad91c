"""What a student has done, kept beside the clusters: it outlives them. One small JSON file a lab."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Progress(BaseModel):
    """One lab of one student. Times are RFC 3339, in UTC; "" where it has not come to that."""

    model_config = ConfigDict(frozen=True)

    lab: str
    number: int = 0
    digest: str = Field(default="", description="of the lab's files when it was last checked")
    seed: str = ""
    started: str = ""
    passed: str = ""
    attempts: int = 0
    hints: int = 0
    solved: bool = Field(default=False, description="the solution was looked at before the lab was passed")
    checks: dict[str, bool] = {}


class Records:
    """The progress files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, lab: str) -> Progress:
        """What is known of a lab; nothing, where its file is missing or is not what this program writes."""
        try:
            return Progress.model_validate_json(self._file(lab).read_bytes())
        except (OSError, ValidationError):
            return Progress(lab=lab)

    def all(self) -> Sequence[Progress]:
        """Every lab that was started, by number."""
        found = [self.of(file.stem) for file in self._folder.glob("*.json")]
        return sorted(found, key=lambda one: (one.number, one.lab))

    def keep(self, progress: Progress) -> None:
        """Write it, whole or not at all. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._file(progress.lab).with_suffix(".new")
        beside.write_text(progress.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.replace(beside, self._file(progress.lab))

    def _file(self, lab: str) -> Path:
        return self._folder / f"{lab}.json"
