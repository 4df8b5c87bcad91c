"""Many datagrams per call, over both address families."""

from __future__ import annotations

import socket

import pytest

from agent.dns.batches import LARGEST, SIZE, DatagramBatch


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_each_answer_goes_to_who_asked(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        batch = DatagramBatch(server)
        assert batch.receive() == 0
        askers = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(SIZE)]
        for number, asker in enumerate(askers):
            asker.settimeout(5)
            asker.connect(server.getsockname())
            asker.send(b"question %d" % number)
        count = batch.receive()
        assert count == SIZE
        for index in range(count):
            start, size = index * LARGEST, batch.length(index)
            assert bytes(batch.asked[start : start + size]) == b"question %d" % index
            assert batch.sender(index) == askers[index].getsockname()[:2]
            batch.answers[start : start + 2] = b"%02d" % index
            batch.put(index, 2)
        batch.send(0, 10)
        batch.send(10, 10)
        batch.send(10, count)
        assert [asker.recv(10) for asker in askers] == [b"%02d" % index for index in range(SIZE)]
        for asker in askers:
            asker.close()
        assert batch.receive() == 0


def test_a_datagram_longer_than_any_question_is_cut() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as asker:
        server.bind(("127.0.0.1", 0))
        asker.sendto(b"x" * 20_000, server.getsockname())
        batch = DatagramBatch(server)
        while not batch.receive():
            pass
        assert batch.length(0) == LARGEST
