"""`minik apiserver|controlplane|agent --config FILE`: one part alone, for compose, several machines and study.

The parts are named by string: the command line must not depend on the programs it can start.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

import click

from minikube_py.config.documents import read_document
from minikube_py.config.parts import AgentConfig, APIServerConfig, ControlPlaneConfig, Told

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _part(word: str, entry: str, kind: type[Told], text: str) -> click.Command:
    @click.command(word, help=text)
    @click.option("--config", required=True, type=_FILE, help="The part's JSON file.")
    def run(config: Path) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        module, _, function = entry.partition(":")
        try:
            told = read_document(kind, config)
        except (OSError, ValueError) as error:
            raise click.ClickException(f"{config}: {error}") from error
        sys.exit(getattr(importlib.import_module(module), function)(told))

    return run


apiserver = _part("apiserver", "apiserver.app:main", APIServerConfig, "Run the API server alone.")
controlplane = _part(
    "controlplane",
    "minikube_py.cluster.controlplane:main",
    ControlPlaneConfig,
    "Run the scheduler and the controllers alone.",
)
agent = _part("agent", "agent.app:main", AgentConfig, "Run one node's agent alone, in this network namespace.")
