"""rtnetlink: links, addresses, routes and rules of one network namespace, a few microseconds a request.

A :class:`Netlink` is a blocking socket: every request is answered by the kernel before it returns, so it never waits
for anybody. Requests made inside ``with netlink.batch():`` travel in one datagram; that is how a pod is wired in
three milliseconds. Every failure is an OSError (with its errno) that names the operation in words.
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from minikube_py.linux import rtmessages as rt
from minikube_py.linux.libc import failure
from minikube_py.linux.namespaces import in_netns
from minikube_py.linux.rtmessages import Address, Link, Route, Rule

__all__ = ["Address", "Link", "Netlink", "Route", "Rule"]

_SIOCGIFINDEX: Final = 0x8933
_SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11
_BUFFER: Final = 1 << 17
_LOOPBACK: Final = 1

Item = TypeVar("Item")


class Netlink:
    """An rtnetlink socket in the network namespace ``netns_fd`` (None: the calling thread's own)."""

    def __init__(self, netns_fd: int | None = None) -> None:
        self._socket = _open() if netns_fd is None else in_netns(netns_fd, _open)
        self._sequence = 0
        self._queue: list[tuple[bytes, str]] | None = None

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Collects the requests made inside and sends them as one datagram at the end.

        The kernel carries out all of them in order; the first failure is raised. Names of devices are looked up when a
        request is made, so a device and its addresses cannot be made in the same batch.
        """
        self._queue = []
        try:
            yield
            queue, self._queue = self._queue, None
            self._transact(queue)
        finally:
            self._queue = None

    def index(self, name: str) -> int:
        """The index of device ``name``. Raises OSError (ENODEV)."""
        if name == "lo":
            return _LOOPBACK
        request = struct.pack("16sI20x", name.encode()[:15], 0)
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFINDEX, request)
        except OSError as error:
            raise failure(f"find device {name}", error.errno or 0) from None
        return int(struct.unpack_from("16xi", answer)[0])

    def link_add_veth(
        self, name: str, peer: str, peer_netns_fd: int | None = None, *, mtu: int | None = None, mac: str = ""
    ) -> None:
        """Makes a veth pair: ``name`` here, already up, and ``peer`` (in ``peer_netns_fd``), still down."""
        size = rt.u32(rt.IFLA_MTU, mtu) if mtu else b""
        there = rt.u32(rt.IFLA_NET_NS_FD, peer_netns_fd) if peer_netns_fd is not None else b""
        other = rt.attribute(rt.VETH_INFO_PEER, rt.link_body(rt.text(rt.IFLA_IFNAME, peer), size, there))
        own = rt.attribute(rt.IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))) if mac else b""
        attrs = (rt.text(rt.IFLA_IFNAME, name), size, own, rt.link_info("veth", other))
        body = rt.link_body(*attrs, flags=rt.IFF_UP, change=rt.IFF_UP)
        self._create(rt.RTM_NEWLINK, body, f"make veth {name}")

    def link_add_bridge(self, name: str) -> None:
        """Makes a bridge that is up."""
        body = rt.link_body(rt.text(rt.IFLA_IFNAME, name), rt.link_info("bridge"), flags=rt.IFF_UP, change=rt.IFF_UP)
        self._create(rt.RTM_NEWLINK, body, f"make bridge {name}")

    def link_up(self, name: str) -> None:
        self._set_flags(name, rt.IFF_UP, f"set {name} up")

    def link_down(self, name: str) -> None:
        """Takes ``name`` down. The kernel drops the routes over it for good, but not those over its peer."""
        self._set_flags(name, 0, f"set {name} down")

    def link_set_mtu(self, name: str, mtu: int) -> None:
        self._set(name, rt.u32(rt.IFLA_MTU, mtu), f"set the MTU of {name}")

    def link_set_master(self, name: str, master: str) -> None:
        self._set(name, rt.u32(rt.IFLA_MASTER, self.index(master)), f"put {name} into {master}")

    def link_move(self, name: str, netns_fd: int) -> None:
        """Moves ``name`` into another network namespace."""
        self._set(name, rt.u32(rt.IFLA_NET_NS_FD, netns_fd), f"move {name} to another network namespace")

    def link_del(self, name: str) -> None:
        """Removes a device, and with one end of a veth pair the other. Raises OSError (ENODEV) where it is gone."""
        body = rt.link_body(index=self.index(name))
        self._submit(rt.RTM_DELLINK, 0, body, f"remove device {name}")

    def addr_add(
        self, name: str, cidr: str, *, replace: bool = False, prefix_route: bool = True, scope: int = 0
    ) -> None:
        """Adds address ``cidr`` to ``name``; IPv6 without duplicate detection: our links have one neighbour."""
        flags = rt.IFA_F_NODAD if ":" in cidr else 0
        flags |= 0 if prefix_route else rt.IFA_F_NOPREFIXROUTE
        body = rt.address_body(self.index(name), cidr, flags=flags, scope=scope)
        self._create(rt.RTM_NEWADDR, body, f"add address {cidr} to {name}", replace=replace)

    def addr_del(self, name: str, cidr: str) -> None:
        body = rt.address_body(self.index(name), cidr)
        self._submit(rt.RTM_DELADDR, 0, body, f"remove address {cidr} from {name}")

    def route_add(
        self,
        dst: str,
        *,
        dev: str | None = None,
        via: str | None = None,
        onlink: bool = False,
        src: str | None = None,
        table: int = rt.RT_TABLE_MAIN,
        priority: int = 0,
        replace: bool = False,
    ) -> None:
        """Adds a unicast route to ``dst`` (a CIDR, an address, or "default" with ``via`` telling the family)."""
        dst = _destination(dst, via)
        attrs = rt.u32(rt.RTA_OIF, self.index(dev)) if dev else b""
        attrs += rt.attribute(rt.RTA_GATEWAY, rt.packed(via)) if via else b""
        attrs += rt.attribute(rt.RTA_PREFSRC, rt.packed(src)) if src else b""
        attrs += rt.u32(rt.RTA_PRIORITY, priority) if priority else b""
        scope = rt.RT_SCOPE_UNIVERSE if via or ":" in dst else rt.RT_SCOPE_LINK
        flags = rt.RTNH_F_ONLINK if onlink else 0
        body = rt.route_body(dst, kind=rt.RTN_UNICAST, scope=scope, table=table, flags=flags, attrs=attrs)
        words = f"add route {dst}" + (f" via {via}" if via else "") + (f" dev {dev}" if dev else "")
        self._create(rt.RTM_NEWROUTE, body, words, replace=replace)

    def route_local(
        self, dst: str, *, table: int = rt.RT_TABLE_LOCAL, src: str | None = None, replace: bool = False
    ) -> None:
        """AnyIP: every address of ``dst`` becomes local on ``lo``, so that it can be bound and answers.

        The node itself reaches such an address from ``src``, by default from that very address.
        """
        attrs = rt.u32(rt.RTA_OIF, _LOOPBACK)
        attrs += rt.attribute(rt.RTA_PREFSRC, rt.packed(src)) if src else b""
        body = rt.route_body(dst, kind=rt.RTN_LOCAL, scope=rt.RT_SCOPE_HOST, table=table, attrs=attrs)
        self._create(rt.RTM_NEWROUTE, body, f"add local route {dst}", replace=replace)

    def route_unreachable(self, dst: str, *, replace: bool = False) -> None:
        """Packets to ``dst`` are refused at once (EHOSTUNREACH) unless a longer prefix matches."""
        body = rt.route_body(dst, kind=rt.RTN_UNREACHABLE, scope=rt.RT_SCOPE_UNIVERSE)
        self._create(rt.RTM_NEWROUTE, body, f"add unreachable route {dst}", replace=replace)

    def route_del(self, dst: str, *, via: str | None = None, table: int = rt.RT_TABLE_MAIN) -> None:
        dst = _destination(dst, via)
        body = rt.route_body(dst, kind=0, scope=255, table=table)  # 255: RT_SCOPE_NOWHERE matches every scope
        self._submit(rt.RTM_DELROUTE, 0, body, f"remove route {dst}")

    def rule_add(
        self,
        *,
        table: int,
        priority: int,
        fwmark: int = 0,
        to: tuple[str, int, int] | None = None,
        ipv6: bool = False,
    ) -> None:
        """Looks up ``table`` for packets marked ``fwmark``, or ``to`` (address, IP protocol number, port).

        Adding the same rule again raises OSError (EEXIST).
        """
        body = rt.rule_body(table=table, priority=priority, ipv6=ipv6, fwmark=fwmark, to=to)
        self._create(rt.RTM_NEWRULE, body, f"add rule {to or f'fwmark {fwmark}'} lookup {table}")

    def rule_del(
        self,
        *,
        table: int,
        priority: int,
        fwmark: int = 0,
        to: tuple[str, int, int] | None = None,
        ipv6: bool = False,
    ) -> None:
        """Removes the first rule that matches what is given. Raises OSError (ENOENT) where there is none."""
        body = rt.rule_body(table=table, priority=priority, ipv6=ipv6, fwmark=fwmark, to=to)
        self._submit(rt.RTM_DELRULE, 0, body, f"remove rule {to or f'fwmark {fwmark}'} lookup {table}")

    def links(self) -> list[Link]:
        return self._dump(rt.RTM_GETLINK, rt.link_body(), rt.RTM_NEWLINK, rt.parse_link)

    def addresses(self) -> list[Address]:
        return self._dump(rt.RTM_GETADDR, bytes(8), rt.RTM_NEWADDR, rt.parse_address)

    def routes(self, *, ipv6: bool = False) -> list[Route]:
        """All routes of a family, of every table."""
        body = bytes([socket.AF_INET6 if ipv6 else socket.AF_INET]) + bytes(11)
        return self._dump(rt.RTM_GETROUTE, body, rt.RTM_NEWROUTE, rt.parse_route)

    def rules(self, *, ipv6: bool = False) -> list[Rule]:
        body = bytes([socket.AF_INET6 if ipv6 else socket.AF_INET]) + bytes(11)
        return self._dump(rt.RTM_GETRULE, body, rt.RTM_NEWRULE, rt.parse_rule)

    def _set_flags(self, name: str, flags: int, operation: str) -> None:
        body = rt.link_body(index=self.index(name), flags=flags, change=rt.IFF_UP)
        self._submit(rt.RTM_NEWLINK, 0, body, operation)

    def _set(self, name: str, attribute: bytes, operation: str) -> None:
        self._submit(rt.RTM_NEWLINK, 0, rt.link_body(attribute, index=self.index(name)), operation)

    def _create(self, kind: int, body: bytes, operation: str, *, replace: bool = False) -> None:
        flags = rt.NLM_F_CREATE | (rt.NLM_F_REPLACE if replace else rt.NLM_F_EXCL)
        self._submit(kind, flags, body, operation)

    def _submit(self, kind: int, flags: int, body: bytes, operation: str) -> None:
        self._sequence += 1
        request = rt.frame(kind, rt.NLM_F_REQUEST | rt.NLM_F_ACK | flags, self._sequence, body)
        if self._queue is None:
            self._transact([(request, operation)])
        else:
            self._queue.append((request, operation))

    def _transact(self, requests: list[tuple[bytes, str]]) -> None:
        if not requests:
            return
        waiting = {int.from_bytes(request[8:12], _ORDER): operation for request, operation in requests}
        self._socket.send(b"".join(request for request, _ in requests))
        first: OSError | None = None
        while waiting:
            for message in rt.messages(self._socket.recv(_BUFFER)):
                operation = waiting.pop(message.sequence, None) if message.type == rt.NLMSG_ERROR else None
                if operation is not None:
                    first = first or _error(message, operation)
        if first is not None:
            raise first

    def _dump(self, kind: int, body: bytes, wanted: int, parse: Callable[[bytes], Item]) -> list[Item]:
        while True:
            items, interrupted = self._dump_once(kind, body, wanted)
            if not interrupted:
                return [parse(item) for item in items]

    def _dump_once(self, kind: int, body: bytes, wanted: int) -> tuple[list[bytes], bool]:
        """One dump; the kernel says when something changed meanwhile, and then it must be asked again."""
        self._sequence += 1
        self._socket.send(rt.frame(kind, rt.NLM_F_REQUEST | rt.NLM_F_DUMP, self._sequence, body))
        found: list[bytes] = []
        interrupted = False
        while True:
            for message in rt.messages(self._socket.recv(_BUFFER)):
                if message.sequence != self._sequence:
                    continue
                interrupted |= bool(message.flags & rt.NLM_F_DUMP_INTR) and message.type != rt.NLMSG_ERROR
                if message.type == rt.NLMSG_ERROR and (error := _error(message, "list")):
                    raise error
                if message.type == rt.NLMSG_DONE:
                    return found, interrupted
                if message.type == wanted:
                    found.append(message.body)


_ORDER: Final = "little" if struct.pack("=H", 1) == b"\1\0" else "big"


def _open() -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
            channel.setsockopt(_SOL_NETLINK, option, 1)
        channel.bind((0, 0))
    except BaseException:
        channel.close()
        raise
    return channel


def _error(message: rt.Message, operation: str) -> OSError | None:
    code, words = rt.acknowledgement(message)
    if code == 0:
        return None
    return failure(f"{operation} ({words})" if words else operation, code)


def _destination(dst: str, via: str | None) -> str:
    if dst != "default":
        return str(ipaddress.ip_network(dst))
    return "::/0" if via and ":" in via else "0.0.0.0/0"
