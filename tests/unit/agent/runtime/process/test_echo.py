"""When a server that was told to stop does stop listening."""

from __future__ import annotations

from agent.runtime.process.echo import Farewell


def test_it_listens_until_it_is_quiet() -> None:
    farewell = Farewell(10.0)
    first = farewell.over()
    assert first > 10.0
    farewell.came(first - 0.01)
    assert farewell.over() > first


def test_clients_that_never_stop_coming_do_not_keep_it() -> None:
    farewell = Farewell(10.0)
    farewell.came(1000.0)
    assert farewell.over() < 20.0
