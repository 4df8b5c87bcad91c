"""How the two ends of a trace are written."""

from __future__ import annotations

import click
import pytest

from minikube_py.cli.trace import Target, both_ends, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("web", Target("default", "web", "", "web")),
        ("web:80", Target("default", "web", "80", "web")),
        ("web.shop:http", Target("shop", "web", "http", "web.shop")),
        ("shop/web", Target("shop", "web", "", "web.shop")),
        ("web.shop.svc.cluster.local.", Target("shop", "web", "", "web.shop.svc.cluster.local.")),
    ],
)
def test_a_service_as_clients_write_it(text: str, target: Target) -> None:
    assert parse_target(text, "default") == target


def test_the_arrow_may_be_left_out() -> None:
    assert both_ends(["a", "->", "b"]) == both_ends(["a", "b"]) == ("a", "b")
    with pytest.raises(click.UsageError, match="quote it"):
        both_ends(["a", "-"])
    with pytest.raises(click.UsageError, match="from where"):
        both_ends(["a"])
