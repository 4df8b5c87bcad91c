"""Which cluster a command is about, and what is said where it is not there."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pytest import MonkeyPatch

from minikube_py.cli.main import main
from minikube_py.cli.options import cluster_name, no_cluster, plain


@click.command()
@cluster_name
def shown(name: str) -> None:
    click.echo(name)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("MINIK_HOME", str(tmp_path / "m"))
    monkeypatch.delenv("MINIK_CLUSTER", raising=False)


@pytest.mark.parametrize("name", ["", "..", "../other", "a/b", "/etc", "Upper", "under_score", "-x", "a" * 41])
def test_a_name_that_would_lead_elsewhere_is_refused(name: str, monkeypatch: MonkeyPatch) -> None:
    assert CliRunner().invoke(shown, [f"--name={name}"]).exit_code == 2
    if name:
        monkeypatch.setenv("MINIK_CLUSTER", name)
        assert CliRunner().invoke(shown, []).exit_code == 2


def test_down_removes_nothing_beside_the_clusters(tmp_path: Path) -> None:
    (tmp_path / "m" / "clusters").mkdir(parents=True)
    precious = tmp_path / "m" / "precious"
    precious.mkdir()
    assert CliRunner().invoke(main, ["down", "--name", "../precious"]).exit_code == 2
    assert precious.exists()


def test_the_name_is_an_option_a_variable_or_minik(monkeypatch: MonkeyPatch) -> None:
    assert CliRunner().invoke(shown, []).output == "minik\n"
    monkeypatch.setenv("MINIK_CLUSTER", "mine")
    assert CliRunner().invoke(shown, []).output == "mine\n"
    assert CliRunner().invoke(shown, ["--name", "yours"]).output == "yours\n"


def test_what_is_not_there_is_said_with_the_way_to_start_it(tmp_path: Path) -> None:
    assert no_cluster("minik").message == 'cluster "minik" does not exist: start it with `minik up`'
    (tmp_path / "m" / "clusters" / "other").mkdir(parents=True)
    said = no_cluster("mine").message
    assert said == (
        'cluster "mine" does not exist: start it with `minik up --name mine` (or choose one by --name: other)'
    )
    assert no_cluster("other").message == 'cluster "other" is not running: start it with `minik up --name other`'


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(13, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (OSError("certificates: failed"), "certificates: failed"),
        (ValueError("no"), "no"),
    ],
)
def test_errors_of_the_system_are_told_without_numbers(error: Exception, said: str) -> None:
    assert plain(error) == said
