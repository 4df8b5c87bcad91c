"""Namespaces are made and entered by real system calls; without privilege these tests run in a user namespace."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from minikube_py.linux import namespaces
from minikube_py.linux.namespaces import CLONE_NEWNET, CLONE_NEWUSER, NetnsThread, in_netns, new_netns

privileged = pytest.mark.skipif(os.geteuid() != 0, reason="needs root or a user namespace")


def test_flags_in_words() -> None:
    assert namespaces.names(CLONE_NEWUSER | CLONE_NEWNET) == "user, network"


def test_an_error_names_the_operation() -> None:
    with pytest.raises(OSError, match="enter the network namespace: Bad file descriptor"):
        namespaces.setns(-1, CLONE_NEWNET)


def test_subordinate_ids_of_nobody_special() -> None:
    assert namespaces.subordinate_ids("no-such-user", 4_000_000) is None


def test_subordinate_ids_are_read_by_name_or_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "subuid"
    table.write_text("# comment\nann:100000:65536\n1001:200000:10\nbad:x:y\n")
    assert namespaces._first_range(str(table), "ann", 1000) == (100000, 65536)
    assert namespaces._first_range(str(table), "bob", 1001) == (200000, 10)
    assert namespaces._first_range(str(table), "bad", 7) is None


@privileged
def test_a_new_namespace_is_empty_and_another() -> None:
    fd = new_netns()
    try:
        assert os.fstat(fd).st_ino != os.stat("/proc/self/ns/net").st_ino
        assert in_netns(fd, socket.if_nameindex)[0][1] == "lo"
    finally:
        os.close(fd)


@privileged
def test_a_socket_stays_where_it_was_made() -> None:
    fd = new_netns()
    with NetnsThread(fd) as thread:
        inside = thread.run(socket.socket)
    with inside, pytest.raises(OSError, match="unreachable"):
        inside.connect(("127.0.0.1", 9))  # lo is down in there
    os.close(fd)


@privileged
def test_an_exception_comes_back_and_the_thread_serves_on() -> None:
    def fail() -> None:
        raise ValueError("no")

    with NetnsThread() as thread:
        with pytest.raises(ValueError, match="no"):
            thread.run(fail)
        assert thread.run(lambda: 7) == 7


@privileged
def test_what_is_no_namespace_leaves_no_thread() -> None:
    with open("/dev/null") as file, pytest.raises(OSError, match="enter the network namespace"):
        NetnsThread(file.fileno())
