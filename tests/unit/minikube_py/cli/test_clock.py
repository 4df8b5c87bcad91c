"""Durations as people write them."""

from __future__ import annotations

import click
import pytest

from minikube_py.cli.clock import parse_duration
from minikube_py.client.clusterclock import ahead_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("3h", 10800), ("90s", 90), ("1h30m", 5400), ("0.5h", 1800), ("8784h", 31622400)]
)
def test_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "-3h", "3h ", "3d", "h", "0s", "9999h", "1h-30m"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_duration(text)


@pytest.mark.parametrize(("data", "seconds"), [({"aheadSeconds": "60"}, 60), ({"aheadSeconds": "x"}, 0), (None, 0)])
def test_what_the_cluster_says(data: dict[str, str] | None, seconds: float) -> None:
    assert ahead_of({"data": data}) == seconds
