"""SPDY/3.1: frames that survive any cut, header compression, sessions, hostile input."""

from __future__ import annotations

import asyncio
import struct
import zlib

import pytest

from agent.server.spdy.dictionary import DICTIONARY
from agent.server.spdy.frames import (
    FIN,
    GOAWAY,
    PING,
    RST_STREAM,
    SYN_REPLY,
    SYN_STREAM,
    Frame,
    FrameParser,
    HeaderCodec,
    SpdyFault,
    control_frame,
    data_frame,
)
from agent.server.spdy.session import SpdySession, SpdyStream
from agent.server.streams.channels import ClientGone
from minikube_py.aio.tasks import TaskSet


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_frames_survive_any_cut() -> None:
    data = data_frame(1, b"hello") + control_frame(PING, b"\0\0\0\7") + data_frame(3, b"", fin=True)
    expected = [Frame(0, 0, 1, b"hello"), Frame(PING, 0, 7, b"\0\0\0\7"), Frame(0, FIN, 3, b"")]
    for size in (1, 3, 8, len(data)):
        parser, frames = FrameParser(), []
        for start in range(0, len(data), size):
            frames += parser.feed(data[start : start + size])
        assert frames == expected


def test_headers_go_there_and_back_over_one_connection() -> None:
    ours, theirs = HeaderCodec(), HeaderCodec()
    for headers in ({"streamType": "data", "port": "80"}, {}, {"streamtype": "error", "requestid": "1"}):
        assert theirs.decode(ours.encode(headers)) == {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize(
    "block", [b"", b"\x00", b"garbage", zlib.compress(b"\xff" * 8), zlib.compress(struct.pack(">II", 1, 1 << 30))]
)
def test_header_blocks_that_make_no_sense(block: bytes) -> None:
    with pytest.raises(SpdyFault):
        HeaderCodec().decode(block)


def test_other_versions_are_refused() -> None:
    with pytest.raises(SpdyFault):
        list(FrameParser().feed(struct.pack(">II", 0x80020001, 0)))


class Pipe:
    """The client's end of a connection."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[bytes] = asyncio.Queue()
        self.sent: list[Frame] = []
        self.gone = False
        self._parser = FrameParser()

    async def read(self) -> bytes:
        return await self.to_server.get()

    async def write(self, data: bytes) -> None:
        if self.gone:
            raise ClientGone
        self.sent += self._parser.feed(data)

    async def close(self) -> None:
        self.gone = True

    def open(self, number: int, codec: HeaderCodec, **headers: str) -> None:
        payload = number.to_bytes(4, "big") + bytes(6) + codec.encode(headers)
        self.to_server.put_nowait(control_frame(SYN_STREAM, payload))


async def test_a_session_echoes_streams_side_by_side() -> None:
    pipe, codec, tasks = Pipe(), HeaderCodec(), TaskSet("test")

    async def echo(stream: SpdyStream) -> None:
        while data := await stream.read():
            await stream.write(stream.headers["name"].encode() + data)
        await stream.finish()

    session = SpdySession(pipe, lambda stream: void(tasks.spawn(echo(stream), name="echo")))
    running = tasks.spawn(session.run(), name="session")
    pipe.open(1, codec, name="a")
    pipe.open(3, codec, name="b")
    for frame in (data_frame(3, b"x"), data_frame(1, b"y", fin=True), control_frame(PING, b"\0\0\0\1")):
        pipe.to_server.put_nowait(frame)
    pipe.to_server.put_nowait(control_frame(GOAWAY, bytes(8)))
    await running
    for _ in range(20):
        await asyncio.sleep(0)
    data = [(frame.stream, frame.payload, frame.flags) for frame in pipe.sent if frame.kind == 0]
    assert (3, b"bx", 0) in data
    assert [entry for entry in data if entry[0] == 1] == [(1, b"ay", 0), (1, b"", FIN)]
    assert [frame.stream for frame in pipe.sent if frame.kind == SYN_REPLY] == [1, 3]
    assert any(frame.kind == PING for frame in pipe.sent)
    await tasks.close()


async def test_a_reset_ends_the_stream_and_nonsense_the_session() -> None:
    pipe, codec, tasks = Pipe(), HeaderCodec(), TaskSet("test")
    streams: list[SpdyStream] = []
    running = tasks.spawn(SpdySession(pipe, streams.append).run(), name="session")
    pipe.open(1, codec)
    pipe.open(1, codec)
    pipe.to_server.put_nowait(control_frame(RST_STREAM, struct.pack(">II", 1, 5)))
    pipe.to_server.put_nowait(b"\x80\x09garbage..........")
    await running
    assert await streams[0].read() == b""
    assert [frame.kind for frame in pipe.sent] == [SYN_REPLY, RST_STREAM]
    await tasks.close()


async def test_a_stream_that_nobody_reads_stops_the_connection() -> None:
    pipe, codec, tasks = Pipe(), HeaderCodec(), TaskSet("test")
    streams: list[SpdyStream] = []
    tasks.spawn(SpdySession(pipe, streams.append).run(), name="session")
    pipe.open(1, codec)
    for _ in range(20):
        pipe.to_server.put_nowait(data_frame(1, bytes(64 * 1024)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert pipe.to_server.qsize() >= 15
    total = 0
    while total < 20 * 64 * 1024:
        total += len(await streams[0].read())
    await tasks.close()


def void(_: object) -> None:
    return None
