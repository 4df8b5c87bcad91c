"""Every command of the README is run, in its order, as a reader would type it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.minik import ROOT, MinikCluster, eventually, need_kubectl

pytestmark = pytest.mark.e2e

#: Commands that run these tests, or make the environment that they run in.
AROUND_US = {"make install", "make test", "make check", "make demo"}


def commands() -> list[str]:
    """The lines after a prompt in the README's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    lines = [line[2:].partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    prompts = [line.startswith("$ ") for block in blocks for line in block.splitlines()]
    return [line for line, typed in zip(lines, prompts, strict=True) if typed]


def test_the_commands_of_the_readme(make_cluster: Callable[..., MinikCluster]) -> None:
    cluster = make_cluster()
    typed = [command for command in commands() if command not in AROUND_US]
    assert any("minik up" in command for command in typed)
    tools = cluster.home / "bin"
    tools.mkdir()
    (tools / "kubectl").symlink_to(need_kubectl())
    environment = cluster.environment | {"PATH": f"{tools}:{os.environ['PATH']}"}
    bin_of_tests = str(Path(sys.executable).parent)
    for command in typed:
        line = command.replace(".venv/bin/", f"{bin_of_tests}/")

        def succeeds(line: str = line) -> bool:
            done = subprocess.run(
                ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90
            )
            (cluster.home / "last").write_text(done.stdout + done.stderr)
            return done.returncode == 0

        # A reader waits until pods run before asking them; the README does not spell that out.
        patience = 30.0 if command.startswith(("curl", "kubectl exec")) else 0.0
        eventually(succeeds, within=patience, what=f"{command}\n{cluster.home / 'last'}")


def test_the_readme_names_every_command_of_minik() -> None:
    from minikube_py.cli.main import LazyGroup

    text = (ROOT / "README.md").read_text()
    for command in LazyGroup.commands_at:
        assert re.search(rf"\b{command}\b", text), f"`minik {command}` is not in the README"
