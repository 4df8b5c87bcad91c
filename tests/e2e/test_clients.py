"""Client libraries that know nothing of us, each in a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

SCRIPTS = Path(__file__).parent / "clients"


@pytest.mark.parametrize(
    ("library", "script"), [("kubernetes", "official.py"), ("kr8s", "with_kr8s.py"), ("kopf", "with_kopf.py")]
)
def test_a_client_library_at_work(cluster: MinikCluster, namespace: str, library: str, script: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = cluster.run(sys.executable, str(SCRIPTS / script), namespace, timeout=120)
    assert done.stdout.strip().endswith("ok")
