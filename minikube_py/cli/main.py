"""The `minik` command. Each subcommand is a module that is imported when it is called: `minik version` must not wait
for an HTTP library."""

from __future__ import annotations

from typing import ClassVar

import click

from minikube_py.config.importing import import_all


class LazyGroup(click.Group):
    """Finds a subcommand in the module of its name."""

    commands_at: ClassVar[dict[str, str]] = {
        "up": "minikube_py.cli.up:up",
        "down": "minikube_py.cli.down:down",
        "status": "minikube_py.cli.status:status",
        "apply": "minikube_py.cli.apply:apply",
        "delete": "minikube_py.cli.apply:delete",
        "wait": "minikube_py.cli.wait:wait",
        "exec": "minikube_py.cli.exec:exec_",
        "kubeconfig": "minikube_py.cli.kubeconfig:kubeconfig",
        "service": "minikube_py.cli.service:service",
        "image": "minikube_py.cli.image:image",
        "dns": "minikube_py.cli.dns:dns",
        "logs": "minikube_py.cli.logs:logs",
        "node": "minikube_py.cli.node:node",
        "fault": "minikube_py.cli.fault:fault",
        "why": "minikube_py.cli.why:why",
        "trace": "minikube_py.cli.trace:trace",
        "graph": "minikube_py.cli.graph:graph",
        "timeline": "minikube_py.cli.timeline:timeline",
        "clock": "minikube_py.cli.clock:clock",
        "lab": "minikube_py.cli.lab:lab",
        "version": "minikube_py.cli.version:version",
        "apiserver": "minikube_py.cli.parts:apiserver",
        "controlplane": "minikube_py.cli.parts:controlplane",
        "agent": "minikube_py.cli.parts:agent",
        "container": "minikube_py.cli.container:container",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[cmd_name].partition(":")
        command: click.Command = getattr(import_all([module])[0], attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A Kubernetes cluster in Python: starts in a second, needs neither Docker nor root."""
