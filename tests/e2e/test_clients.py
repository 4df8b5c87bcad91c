"""Client libraries that know nothing of us, each in a process of its own."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.minik import CLIENTS, MinikCluster

pytestmark = pytest.mark.e2e

SCRIPTS = Path(__file__).parent / "clients"


@pytest.mark.parametrize(
    ("library", "script"),
    [
        ("kubernetes", "official.py"),
        ("kr8s", "with_kr8s.py"),
        ("kopf", "with_kopf.py"),
        ("lightkube", "with_lightkube.py"),
        ("kubernetes_asyncio", "with_asyncio.py"),
    ],
)
def test_a_client_library_at_work(cluster: MinikCluster, namespace: str, library: str, script: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = cluster.run(sys.executable, str(SCRIPTS / script), namespace, timeout=120)
    assert done.stdout.strip().endswith("ok")


def test_the_javascript_client_at_work(cluster: MinikCluster, namespace: str) -> None:
    node, modules = shutil.which("node"), CLIENTS / "node" / "node_modules"
    if node is None or not modules.exists():
        pytest.skip("no node client: run `python tools/fetch_clients.py .clients` on a machine with node and npm")
    done = cluster.run(node, str(SCRIPTS / "with_node.mjs"), namespace, str(modules.parent), timeout=120)
    assert done.stdout.strip().endswith("ok")
