"""Many datagrams per system call: recvmmsg(2) and sendmmsg(2), which Python's socket module does not have.

Under load two thirds of a name server's time is the kernel's entry and exit per packet. All structures are laid out
once and shared by every call; per packet only a length and the bytes themselves are written.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

#: Datagrams per call.
SIZE = 64
#: Bytes of a datagram that are kept; no question is longer.
LARGEST = 4096
_NAME_SIZE = 28  # struct sockaddr_in6, the larger of the two


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)
_receive = _libc.recvmmsg
_send = _libc.sendmmsg
for _call in (_receive, _send):
    _call.restype = ctypes.c_int
_receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


class DatagramBatch:
    """Buffers for receiving up to SIZE datagrams and answering each to its sender, in place by index."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._descriptor = sock.fileno()
        self._name_length = 16 if sock.family == socket.AF_INET else _NAME_SIZE
        self._names = ctypes.create_string_buffer(SIZE * _NAME_SIZE)
        self._asked = _Side(self._names, self._name_length)
        self._answers = _Side(self._names, self._name_length)
        self.asked = self._asked.view
        self.answers = self._answers.view

    def receive(self) -> int:
        """How many datagrams came in, 0 where none waits. Raises OSError."""
        count = int(_receive(self._descriptor, self._asked.address, SIZE, socket.MSG_DONTWAIT, None))
        if count < 0:
            number = ctypes.get_errno()
            if number in _NOTHING:
                return 0
            raise OSError(number, os.strerror(number))
        return count

    def length(self, index: int) -> int:
        """The size of a received datagram."""
        return self._asked.lengths[self._asked.step * index + self._asked.place]

    def sender(self, index: int) -> tuple[str, int]:
        """Who sent a datagram: host and port, for an answer that comes later."""
        raw = self._names.raw[index * _NAME_SIZE : (index + 1) * _NAME_SIZE]
        port = int.from_bytes(raw[2:4], "big")
        if self._socket.family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port

    def put(self, index: int, size: int) -> None:
        """The answer to a datagram stands in ``answers`` and is ``size`` bytes long."""
        self._answers.sizes[2 * index + 1] = size

    def send(self, start: int, end: int) -> None:
        """Send the answers from ``start`` up to ``end``. What the kernel does not take is lost, as datagrams may be."""
        if start < end:
            _send(
                self._descriptor,
                self._answers.address + start * self._answers.message_size,
                end - start,
                socket.MSG_DONTWAIT,
            )


class _Side:
    """One direction: headers, vectors and bytes, all pointing at each other for good."""

    def __init__(self, names: ctypes.Array[ctypes.c_char], name_length: int) -> None:
        self._bytes = ctypes.create_string_buffer(SIZE * LARGEST)
        self._vectors = (_Vector * SIZE)()
        self._messages = (_Message * SIZE)()
        base, first_name = ctypes.addressof(self._bytes), ctypes.addressof(names)
        for index in range(SIZE):
            self._vectors[index] = _Vector(base + index * LARGEST, LARGEST)
            header = self._messages[index].header
            header.name = first_name + index * _NAME_SIZE
            header.name_length = name_length
            header.vectors = ctypes.pointer(self._vectors[index])
            header.vector_count = 1
        self.view = memoryview(self._bytes).cast("B")
        self.sizes = memoryview(self._vectors).cast("B").cast("P")
        self.lengths = memoryview(self._messages).cast("B").cast("I")
        self.address = ctypes.addressof(self._messages)
        self.message_size = ctypes.sizeof(_Message)
        self.step = self.message_size // 4
        self.place = _Message.length.offset // 4


_NOTHING = frozenset({errno.EAGAIN, errno.EINTR})
