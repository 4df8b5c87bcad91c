"""The list of commands, which is told without importing them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from minikube_py.cli.main import LazyGroup, main


def test_every_command_is_listed_and_none_is_cut_off() -> None:
    assert LazyGroup.said_of.keys() == LazyGroup.commands_at.keys()
    said = CliRunner().invoke(main, ["--help"]).output.splitlines()
    for name, text in LazyGroup.said_of.items():
        assert any(line.split() == [name, *text.split()] for line in said), name


@pytest.mark.parametrize("name", LazyGroup.commands_at)
def test_every_command_and_option_is_explained(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    said = CliRunner().invoke(command, ["--help"]).output.splitlines()
    assert not [line for line in said if line.endswith("...") and not line.startswith("Usage")], "cut off"
    for each in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
        assert each.help, each.name
        for option in each.params:
            assert not isinstance(option, click.Option) or option.help, f"{each.name} {option.opts}"


def test_the_version_by_command_or_option() -> None:
    first, second = (CliRunner().invoke(main, [word]) for word in ("version", "--version"))
    assert first.output == second.output != ""
    assert second.exit_code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_every_shell(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0 and f"{shell}_complete" in done.output


def test_commands_are_completed_without_importing_them() -> None:
    context = click.Context(main)
    assert [item.value for item in main.shell_complete(context, "st")] == ["status"]
    assert "--help" in [item.value for item in main.shell_complete(context, "--")]
