"""What the server did, for Prometheus: requests, latencies, watchers, stored objects, under upstream's names."""

from __future__ import annotations

import resource as rusage
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from apiserver.flowcontrol.levels import FlowControl
from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer
from apiserver.store.feeds import Feeds
from apiserver.store.store import Store
from minikube_py.api.resources import KUBERNETES_VERSION, ResourceTable

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
#: Upper bounds of the latency histogram, in seconds.
BOUNDS = (0.001, 0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
#: Requests that last as long as their client likes: counted, but not timed or limited.
LONG_RUNNING_SUBRESOURCES = frozenset({"attach", "exec", "log", "portforward", "proxy"})

Labels = tuple[str, str, str, str]
_HEALTH_CHECKS = ("healthz", "livez", "readyz")


def is_long_running(info: RequestInfo) -> bool:
    """Whether a request may last for ever."""
    return info.verb == "watch" or info.subresource in LONG_RUNNING_SUBRESOURCES


class Latency:
    """A histogram of one kind of request."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one request."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Metrics:
    """Counts requests and renders everything; ``flows`` knows those that are being served."""

    def __init__(self, store: Store, table: ResourceTable, flows: FlowControl) -> None:
        self._flows = flows
        self._store = store
        self._table = table
        self._requests: dict[tuple[Labels, int], int] = {}
        self._latencies: dict[Labels, Latency] = {}

    def observe(self, info: RequestInfo, status: int, seconds: float) -> None:
        """Count an answered request."""
        known = self._table.find(info.group, info.version, info.plural)
        if known is None or (info.subresource and known.subresource(info.subresource) is None):
            labels = (info.verb.upper(), "", "", "")  # what does not exist gets no series of its own
        else:
            labels = (info.verb.upper(), info.group, info.plural, info.subresource)
        key = (labels, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        if not is_long_running(info):
            latency = self._latencies.get(labels)
            if latency is None:
                latency = self._latencies[labels] = Latency()
            latency.add(seconds)

    def answer(self) -> Answer:
        """The body of ``/metrics``."""
        lines: list[str] = []
        for name, kind, text, samples in self._families():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples]
        return Answer(200, ("\n".join(lines) + "\n").encode(), CONTENT_TYPE)

    def slis(self) -> Answer:
        """The body of ``/metrics/slis``: whether the server is well (KEP-3466)."""
        lines = [
            "# HELP kubernetes_healthcheck Whether a check of the server succeeds.",
            "# TYPE kubernetes_healthcheck gauge",
            *(_line("kubernetes_healthcheck", {"name": "ping", "type": kind}, 1) for kind in _HEALTH_CHECKS),
        ]
        return Answer(200, ("\n".join(lines) + "\n").encode(), CONTENT_TYPE)

    def _families(self) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        yield "apiserver_request_total", "counter", "Requests by verb, resource and code.", self._request_lines()
        yield (
            "apiserver_request_duration_seconds", "histogram", "Latency of requests that are not long-running.",
            self._latency_lines(),
        )  # fmt: skip
        yield (
            "apiserver_current_inflight_requests", "gauge", "Requests being served.",
            [f"apiserver_current_inflight_requests {self._flows.taken}"],
        )  # fmt: skip
        yield (
            "apiserver_dropped_requests_total", "counter", "Requests refused because of too many others.",
            [f"apiserver_dropped_requests_total {sum(level.rejected for level in self._flows.levels())}"],
        )  # fmt: skip
        yield from self._levels()
        yield (
            "apiserver_longrunning_requests", "gauge", "Watches by resource.",
            [_line("apiserver_longrunning_requests", {"verb": "WATCH", "resource": name}, len(feeds))
             for name, feeds in self._watched()],
        )  # fmt: skip
        yield (
            "apiserver_storage_objects", "gauge", "Stored objects by resource.",
            [_line("apiserver_storage_objects", {"resource": each.resource.group_resource}, len(each))
             for each in self._store],
        )  # fmt: skip
        yield from self._process()

    def _levels(self) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        levels = list(self._flows.levels())
        for name, kind, text, values in (
            ("nominal_limit_seats", "gauge", "Seats that are the level's own.", [each.seats for each in levels]),
            ("current_executing_requests", "gauge", "Requests being served.", [each.taken for each in levels]),
            ("rejected_requests_total", "counter", "Requests without a seat.", [each.rejected for each in levels]),
        ):
            full = f"apiserver_flowcontrol_{name}"
            named = zip(levels, values, strict=True)
            yield full, kind, text, [_line(full, {"priority_level": level.name}, value) for level, value in named]

    def _watched(self) -> Iterator[tuple[str, Feeds]]:
        for collection in self._store:
            if len(collection.feeds):
                yield collection.resource.group_resource, collection.feeds

    def _process(self) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        usage = rusage.getrusage(rusage.RUSAGE_SELF)
        seconds = usage.ru_utime + usage.ru_stime
        version = _line("kubernetes_build_info", {"git_version": KUBERNETES_VERSION}, 1)
        yield "kubernetes_build_info", "gauge", "The version of the API.", [version]
        yield (
            "process_cpu_seconds_total",
            "counter",
            "User and system time.",
            [f"process_cpu_seconds_total {seconds:.2f}"],
        )
        peak = usage.ru_maxrss * 1024
        yield (
            "process_resident_memory_max_bytes", "gauge", "Peak resident memory.",
            [f"process_resident_memory_max_bytes {peak}"],
        )  # fmt: skip

    def _request_lines(self) -> Iterator[str]:
        for (labels, status), count in self._requests.items():
            yield _line("apiserver_request_total", _named(labels) | {"code": str(status)}, count)

    def _latency_lines(self) -> Iterator[str]:
        name = "apiserver_request_duration_seconds"
        for labels, latency in self._latencies.items():
            named, running = _named(labels), 0
            for bound, count in zip((*BOUNDS, "+Inf"), latency.counts, strict=True):
                running += count
                yield _line(f"{name}_bucket", named | {"le": str(bound)}, running)
            yield _line(f"{name}_sum", named, round(latency.total, 6))
            yield _line(f"{name}_count", named, running)


def _named(labels: Labels) -> dict[str, str]:
    return dict(zip(("verb", "group", "resource", "subresource"), labels, strict=True))


def _line(name: str, labels: dict[str, str], value: float) -> str:
    listing = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{listing}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
