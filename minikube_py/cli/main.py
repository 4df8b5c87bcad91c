"""The `minik` command. Each subcommand is a module that is imported when it is called: `minik version` must not wait
for an HTTP library, and neither must `minik --help`."""

from __future__ import annotations

import io
import sys
from typing import ClassVar

import click
from click.shell_completion import CompletionItem

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
        "completion": "minikube_py.cli.completion:completion",
        "apiserver": "minikube_py.cli.parts:apiserver",
        "controlplane": "minikube_py.cli.parts:controlplane",
        "agent": "minikube_py.cli.parts:agent",
        "container": "minikube_py.cli.container:container",
    }
    #: What `minik --help` says of each: whole on a line of 80 columns.
    said_of: ClassVar[dict[str, str]] = {
        "up": "Start a cluster and point kubectl at it.",
        "down": "Stop a cluster and remove everything it made.",
        "status": "Show whether the cluster runs, its processes and its nodes.",
        "apply": "Create or change what manifests describe.",
        "delete": "Delete what manifests describe.",
        "wait": "Wait until an object has a condition.",
        "exec": "Run a command in a pod.",
        "kubeconfig": "Print a kubeconfig for the cluster.",
        "service": "Show where Services answer on this machine.",
        "image": "Build images, load them and list them.",
        "dns": "Look a name up as pods do, and show every question.",
        "logs": "Print the logs of the cluster's own parts.",
        "node": "Stop, start, cut off and reconnect nodes.",
        "fault": "Break a node's Service proxy on purpose, and mend it.",
        "why": "Tell why something does not work, and what mends it.",
        "trace": "Show the way of a connection to a Service.",
        "graph": "Show which Services lead to which pods on which nodes.",
        "timeline": "Show what happened since your last apply.",
        "clock": "Put the cluster's clock forward.",
        "lab": "Learn Services by lessons that check themselves.",
        "version": "Print the versions of minik and of its Kubernetes API.",
        "completion": "Print what makes a shell complete minik's commands.",
        "apiserver": "Run the API server alone.",
        "controlplane": "Run the scheduler and the controllers alone.",
        "agent": "Run one node's agent alone, in this network namespace.",
        "container": "Run one part of a cluster in its container.",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[cmd_name].partition(":")
        command: click.Command = getattr(import_all([module])[0], attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(self.said_of.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name, help=said) for name, said in self.said_of.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    command = main.get_command(ctx, "version") if asked else None
    if command is not None:
        ctx.invoke(command)
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
def main() -> None:
    """A Kubernetes cluster in Python: starts in a second, needs neither Docker nor root."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our ticks, or without Chinese, gets a mark
