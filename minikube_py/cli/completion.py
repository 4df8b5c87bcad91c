"""`minik completion`: the script by which a shell completes commands, options and cluster names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_MINIK_COMPLETE"


@click.command(
    epilog="bash: add `source <(minik completion bash)` to ~/.bashrc; zsh the same with zsh in ~/.zshrc; "
    "fish: `minik completion fish > ~/.config/fish/completions/minik.fish`."
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete minik's commands."""
    from minikube_py.cli.main import main

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(main, {}, "minik", _VARIABLE).source())
