"""The kernel doors once more, as an ordinary user in a user namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif("MINIK_TEST_ROOTLESS" in os.environ, reason="is the rootless run")
def test_rootless() -> None:
    runner = Path(__file__).parents[3] / "rootless.py"
    result = subprocess.run([sys.executable, str(runner), str(HERE)], capture_output=True, text=True, check=False)
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout + result.stderr
