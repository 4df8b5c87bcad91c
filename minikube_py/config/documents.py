"""Configurations as JSON documents: for parts that are started alone, and for what a cluster leaves for commands.

Reading one is where pydantic checks what a person or another machine wrote. A cluster's own parts never read theirs,
and importing pydantic is the largest cost that a start could have: so only ``read_document`` imports it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from minikube_py.config.parts import Told

T = TypeVar("T", bound=Told)


def read_document(kind: type[T], path: Path) -> T:
    """The configuration that the file tells. Raises OSError, ValueError (pydantic's) for what it must not tell."""
    from pydantic import TypeAdapter  # see above

    return TypeAdapter(kind).validate_json(path.read_bytes())


def document_of(told: Told) -> bytes:
    """The document that ``read_document`` reads."""
    return json.dumps(asdict(told), default=os.fspath, indent=1).encode()
