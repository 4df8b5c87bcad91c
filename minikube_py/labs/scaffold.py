"""A new lab to begin from: small, whole, and it passes ``minik lab lint`` as it stands."""

from __future__ import annotations

import shutil
from pathlib import Path

from minikube_py.labs.folder import LabFault, LabFolder, load

_TEMPLATE = Path(__file__).parent / "template"


def new(path: Path) -> LabFolder:
    """Make the folder ``path``. Raises LabFault where it exists or is named wrongly, OSError."""
    if path.exists():
        raise LabFault(f"{path} is there already")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_TEMPLATE, path)
    try:
        return load(path)
    except LabFault:
        shutil.rmtree(path)
        raise
