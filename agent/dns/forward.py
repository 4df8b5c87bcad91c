"""Questions about names outside the cluster: which server to ask, what to remember, when to stop trying.

A server that does not answer is left alone for a while, so that a machine without a network learns "SERVFAIL" at once
rather than after a timeout each time. A server that leads back to a cluster's own DNS would turn one question into an
endless one: each is probed before its first use with a name that only such a server answers.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from agent.dns.foreign import Foreign, servfail
from agent.dns.names import ancestors, encode_name
from agent.dns.records import Rcode, Type
from agent.dns.upstream import Server, Upstream, UpstreamFailed
from minikube_py.aio.clock import Clock
from minikube_py.aio.tasks import TaskSet
from minikube_py.hostnet.protocol import HostSockets

_log = logging.getLogger(__name__)

#: Names below this one are answered by every cluster DNS of this kind, and by nobody else.
PROBE_SUFFIX = encode_name("loop-probe.minik.invalid")
LONGEST_MEMORY_SECONDS = 30
_TRY_SECONDS = 1.5
_PROBE_SECONDS = 1.0
_LEFT_ALONE_SECONDS = 5.0
_MOST_REMEMBERED = 10_000
_MOST_AT_ONCE = 1_000
_LOOK_AT_FILE_SECONDS = 2.0


class ForwardFailed(Exception):
    """Nobody answered; the message says what each server did."""


class Question(NamedTuple):
    """What is asked of others; ``name`` is a wire name in lower case."""

    name: bytes
    kind: int
    dnssec_ok: bool = False

    @property
    def section(self) -> bytes:
        """The question section."""
        return self.name + self.kind.to_bytes(2, "big") + b"\0\1"


class Remembered(NamedTuple):
    """An answer and when it came (monotonic seconds)."""

    answer: Foreign
    at: float


@dataclass(slots=True)
class _Known:
    """A server and how it has behaved."""

    upstream: Upstream
    probed: bool = False
    loops: bool = False
    left_alone_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Routes:
    """Who is asked about what: servers by domain (wire suffix), and those for the rest (None: the host's)."""

    stub_domains: Mapping[bytes, tuple[Server, ...]] = field(default_factory=dict)
    upstreams: tuple[Server, ...] | None = None


class Forwarder:
    """Asks servers outside the cluster and remembers their answers."""

    def __init__(self, *, sockets: HostSockets, resolv_conf: Path, own_addresses: Iterable[str], clock: Clock) -> None:
        self._sockets = sockets
        self._resolv_conf = resolv_conf
        self._own = frozenset(own_addresses)
        self._clock = clock
        self._tasks = TaskSet("dns forwarding")
        self._servers: dict[Server, _Known] = {}
        self._memory: dict[Question, Remembered] = {}
        self._asking: dict[Question, asyncio.Task[Remembered | ForwardFailed]] = {}
        self._routes = Routes()
        self._host_servers: tuple[Server, ...] = ()
        self._file_seen: tuple[float, object] = (float("-inf"), None)
        self.asked = 0
        self.failed = 0

    def configure(self, routes: Routes) -> None:
        """Use other servers from now on."""
        self._routes = routes
        self._memory.clear()

    async def close(self) -> None:
        """Give up what is being asked and close every socket."""
        await self._tasks.close()
        for known in self._servers.values():
            known.upstream.close()
        self._servers.clear()

    def recall(self, question: Question) -> Remembered | None:
        """An answer that still holds."""
        found = self._memory.get(question)
        if found is None:
            return None
        if self._clock.monotonic() - found.at >= min(found.answer.lifetime, LONGEST_MEMORY_SECONDS):
            del self._memory[question]
            return None
        return found

    async def ask(self, question: Question) -> Remembered:
        """The answer, from memory or from a server. Many may ask the same at once: it is asked once.

        Raises ForwardFailed.
        """
        found = self.recall(question)
        if found is not None:
            return found
        asking = self._asking.get(question)
        if asking is None:
            if len(self._asking) >= _MOST_AT_ONCE:
                raise ForwardFailed("too many questions at once")
            asking = self._tasks.spawn(self._ask(question), name="question")
            self._asking[question] = asking
            asking.add_done_callback(lambda _: self._asking.pop(question, None))
        outcome = await asyncio.shield(asking)
        if isinstance(outcome, ForwardFailed):
            raise outcome
        return outcome

    def servers(self) -> list[str]:
        """The servers for names of no particular domain, with what is wrong with them, for people."""
        now = self._clock.monotonic()
        shown = []
        for server in self._servers_for(b"\0"):
            known = self._servers.get(server)
            state = "loops back to a cluster" if known and known.loops else ""
            if known and known.left_alone_until > now:
                state = state or "does not answer"
            shown.append(f"{server} ({state})" if state else str(server))
        return shown

    async def _ask(self, question: Question) -> Remembered | ForwardFailed:
        """A failure is returned, not raised: it is the business of those who asked, not of the task's owner."""
        self.asked += 1
        try:
            answer = await self._ask_in_turn(question)
        except ForwardFailed as failure:
            self.failed += 1
            return failure
        remembered = Remembered(answer, self._clock.monotonic())
        if answer.lifetime > 0 and not servfail(answer):
            self._remember(question, remembered)
        return remembered

    async def _ask_in_turn(self, question: Question) -> Foreign:
        complaints: list[str] = []
        refusal: Foreign | None = None
        for known in self._usable(question.name, complaints):
            try:
                if not known.probed:
                    await self._probe(known)
                if known.loops:
                    complaints.append(f"{known.upstream.server}: leads back to a cluster's DNS")
                    continue
                answer = await known.upstream.ask(question.section, dnssec_ok=question.dnssec_ok, seconds=_TRY_SECONDS)
            except UpstreamFailed as error:
                known.left_alone_until = self._clock.monotonic() + _LEFT_ALONE_SECONDS
                complaints.append(str(error))
                continue
            if not servfail(answer):
                return answer
            refusal = answer
        if refusal is not None:
            return refusal
        raise ForwardFailed("; ".join(complaints) or "no name server is configured")

    def _usable(self, name: bytes, complaints: list[str]) -> list[_Known]:
        """Servers in the order in which to try them, without those that are being left alone."""
        now = self._clock.monotonic()
        usable = []
        for server in self._servers_for(name):
            known = self._servers.get(server)
            if known is None:
                upstream = Upstream(server, sockets=self._sockets, clock=self._clock)
                known = self._servers[server] = _Known(upstream)
            if known.left_alone_until > now:
                complaints.append(f"{server}: did not answer a moment ago")
            else:
                usable.append(known)
        return usable

    async def _probe(self, known: _Known) -> None:
        """Find out whether the server leads to a cluster's DNS. No answer is no loop."""
        label = secrets.token_hex(8).encode()
        question = Question(bytes([len(label)]) + label + PROBE_SUFFIX, Type.TXT)
        try:
            answer = await known.upstream.ask(question.section, dnssec_ok=False, seconds=_PROBE_SECONDS)
        finally:
            known.probed = True
        known.loops = answer.rcode == Rcode.NOERROR and answer.counts[0] > 0
        if known.loops:
            _log.warning("name server %s leads back to a cluster's DNS and is not used", known.upstream.server)

    def _remember(self, question: Question, remembered: Remembered) -> None:
        if len(self._memory) >= _MOST_REMEMBERED:
            for old in list(self._memory)[: _MOST_REMEMBERED // 10]:
                del self._memory[old]
        self._memory[question] = remembered

    def _servers_for(self, name: bytes) -> Sequence[Server]:
        for part in (name, *ancestors(name)) if self._routes.stub_domains else ():
            if part in self._routes.stub_domains:
                return self._routes.stub_domains[part]
        return self._routes.upstreams if self._routes.upstreams is not None else self._servers_of_host()

    def _servers_of_host(self) -> Sequence[Server]:
        """Those of the host's resolv.conf, read again when it changes: laptops move between networks."""
        now = self._clock.monotonic()
        seen_at, stamp = self._file_seen
        if now - seen_at < _LOOK_AT_FILE_SECONDS:
            return self._host_servers
        current = _stamp(self._resolv_conf)
        self._file_seen = (now, current)
        if current != stamp:
            self._host_servers = tuple(
                server for server in _name_servers(self._resolv_conf) if server.host not in self._own
            )
            for known in self._servers.values():
                known.probed, known.left_alone_until = False, 0.0
            self._memory.clear()
        return self._host_servers


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return status.st_mtime_ns, status.st_ino, status.st_size


def _name_servers(path: Path) -> list[Server]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        _log.warning("names outside the cluster cannot be resolved: %s", error)
        return []
    fields = (line.split() for line in lines)
    addresses = [words[1].partition("%")[0] for words in fields if len(words) > 1 and words[0] == "nameserver"]
    return [Server(address) for address in dict.fromkeys(addresses)]
