"""The name of a server's Lease."""

from __future__ import annotations

from apiserver.identitylease import lease_name


def test_the_name_is_upstreams() -> None:
    assert lease_name("vm") == "apiserver-wlv32tlttr4jl3gtroqexyxapa"  # as kube-apiserver 1.37 called itself there
