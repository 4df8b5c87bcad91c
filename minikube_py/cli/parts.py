"""`minik apiserver|controlplane|agent --config FILE`: one part alone, for compose, several machines and study.

The parts are named by string: the command line must not depend on the programs it can start.
"""

from __future__ import annotations

import importlib
import logging
import sys

import click


def _part(word: str, entry: str, text: str) -> click.Command:
    @click.command(word, help=text)
    @click.option("--config", required=True, type=click.Path(exists=True, dir_okay=False), help="The part's JSON file.")
    def run(config: str) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        module, _, function = entry.partition(":")
        sys.exit(getattr(importlib.import_module(module), function)(config))

    return run


apiserver = _part("apiserver", "apiserver.app:main", "Run the API server alone.")
controlplane = _part(
    "controlplane", "minikube_py.cluster.controlplane:main", "Run the scheduler and the controllers alone."
)
agent = _part("agent", "agent.app:main", "Run one node's agent alone, in this network namespace.")
