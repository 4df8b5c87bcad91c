"""Options that several commands share."""

from __future__ import annotations

import os

import click

#: ``--name``: which cluster a command is about.
cluster_name = click.option(
    "--name",
    "name",
    default=lambda: os.environ.get("MINIK_CLUSTER", "minik"),
    show_default="minik, or $MINIK_CLUSTER",
    help="The cluster.",
)
