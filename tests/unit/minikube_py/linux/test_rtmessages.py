"""Hostile and truncated netlink bytes do no harm."""

from __future__ import annotations

import os

import pytest

from minikube_py.linux import rtmessages as rt


def test_a_frame_is_read_back() -> None:
    data = rt.frame(rt.RTM_NEWLINK, 5, 9, b"abc") + rt.frame(rt.NLMSG_DONE, 0, 9, b"")
    first, second = rt.messages(data)
    assert (first.type, first.flags, first.sequence, first.body) == (rt.RTM_NEWLINK, 5, 9, b"abc")
    assert second.type == rt.NLMSG_DONE


@pytest.mark.parametrize("length", range(24))
def test_truncation_is_survived(length: int) -> None:
    data = rt.frame(rt.RTM_NEWLINK, 0, 1, rt.text(3, "eth0"))
    list(rt.messages(data[:length]))
    rt.attributes(data[:length])


def test_zero_lengths_do_not_loop() -> None:
    assert list(rt.messages(bytes(64))) == []
    assert rt.attributes(bytes(64)) == {}


def test_nested_flags_are_masked() -> None:
    assert rt.attributes(rt.attribute(18 | 0x8000, b"xx")) == {18: b"xx"}


def test_noise() -> None:
    for _ in range(200):
        noise = os.urandom(96)
        list(rt.messages(noise))
        rt.attributes(noise)
