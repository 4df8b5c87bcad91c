"""What a broken proxy hears, and that nothing is lost or reordered when it is mended."""

from __future__ import annotations

import pytest

from agent.proxy.faults import ProxyFaults
from minikube_py.aio.clock import FakeClock


class Proxy:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.heard: list[str] = []
        self.thawed = 0
        self.faults = ProxyFaults(self.clock, thawed=self._thaw)

    def slice(self, name: str) -> None:
        self.faults.deliver(lambda: self.heard.append(name), of_slice=True)

    def service(self, name: str) -> None:
        self.faults.deliver(lambda: self.heard.append(name), of_slice=False)

    def _thaw(self) -> None:
        self.thawed += 1


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


def test_a_sound_proxy_hears_at_once(proxy: Proxy) -> None:
    proxy.slice("a")
    proxy.service("b")
    assert proxy.heard == ["a", "b"]
    assert proxy.faults.active() == []


def test_a_dropped_watch_is_heard_in_order_when_it_is_mended(proxy: Proxy) -> None:
    proxy.faults.make("drop-watch")
    proxy.slice("a")
    proxy.service("b")
    assert proxy.heard == []
    assert proxy.faults.active() == [{"fault": "drop-watch", "held": 2}]
    proxy.faults.clear()
    assert proxy.heard == ["a", "b"]
    assert proxy.faults.active() == []


async def test_slices_come_late_and_services_do_not(proxy: Proxy) -> None:
    proxy.faults.make("delay-slices", 5)
    proxy.slice("a")
    proxy.service("b")
    await proxy.clock.advance(3)
    proxy.slice("c")
    assert proxy.heard == ["b"]
    await proxy.clock.advance(2)
    assert proxy.heard == ["b", "a"]
    await proxy.clock.advance(3)
    assert proxy.heard == ["b", "a", "c"]


async def test_a_slice_is_not_overtaken_when_the_delay_becomes_shorter(proxy: Proxy) -> None:
    proxy.faults.make("delay-slices", 10)
    proxy.slice("old")
    proxy.faults.make("delay-slices", 1)
    proxy.slice("new")
    await proxy.clock.advance(2)
    assert proxy.heard == []
    await proxy.clock.advance(8)
    assert proxy.heard == ["old", "new"]


def test_what_was_late_comes_before_what_was_not_heard_at_all(proxy: Proxy) -> None:
    proxy.faults.make("delay-slices", 10)
    proxy.slice("late")
    proxy.faults.make("drop-watch")
    proxy.slice("unheard")
    proxy.faults.clear()
    assert proxy.heard == ["late", "unheard"]


def test_a_frozen_proxy_goes_on_when_it_is_thawed(proxy: Proxy) -> None:
    proxy.faults.make("freeze-proxy")
    assert proxy.faults.frozen
    proxy.faults.clear()
    assert not proxy.faults.frozen
    assert proxy.thawed == 1


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("sulk", 0), ("delay-slices", 0), ("delay-slices", float("nan")), ("delay-slices", 1e9), ("freeze-proxy", 3)],
)
def test_what_is_no_fault_is_refused(proxy: Proxy, name: str, seconds: float) -> None:
    with pytest.raises(ValueError):
        proxy.faults.make(name, seconds)
    assert proxy.faults.active() == []
