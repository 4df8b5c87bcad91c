"""Everything that speaks to the kernel, once more as an ordinary user in a user namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.skipif("MINIK_TEST_ROOTLESS" in os.environ, reason="is the rootless run")
@pytest.mark.parametrize("suite", ["unit/minikube_py/linux", "unit/agent/network", "contract/runtime"])
def test_rootless(suite: str) -> None:
    command = [sys.executable, str(TESTS / "rootless.py"), str(TESTS / suite)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout + result.stderr
