"""Which ranges of addresses a cluster gets, so that the clusters of one machine do not get into each other's way.

With the same ranges for all, the host could reach only the first cluster's Services, and the balancers' addresses on
the loopback would clash. So every cluster has a number (``config.families``) as long as it lives. The number is held by
an abstract Unix socket of the supervisor: such names belong to the host's network, as its routes do; every user sees
the same ones, and the kernel frees them with the process.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass

from minikube_py.cluster.hostlink import overlapping
from minikube_py.config.cluster import ClusterConfig
from minikube_py.config.families import DISTINCT_CLUSTERS
from minikube_py.linux.netlink import Netlink


@dataclass(frozen=True, slots=True)
class Ranges:
    """What was chosen. ``holder`` keeps the number taken until it is closed; ``note`` is for the user, "" if usual."""

    config: ClusterConfig
    holder: socket.socket | None = None
    note: str = ""

    def close(self) -> None:
        """Gives the number up in this process."""
        if self.holder is not None:
            self.holder.close()


def choose_ranges(
    config: ClusterConfig, routed: Callable[[], list[str]] | None = None, *, scope: str = "minik"
) -> Ranges:
    """The first ranges that no other cluster has and this machine does not route elsewhere.

    A person's own choice stands. ``routed`` tells the machine's routes; ``scope`` is who shares the numbers.
    Raises OSError where the machine's routes cannot be read.
    """
    if not config.has_usual_ranges:
        return Ranges(config)
    taken = (routed or routes_of_this_machine)()
    choices = [config.numbered(number) for number in range(DISTINCT_CLUSTERS)]
    elsewhere = [[each for each in choice.ranges if overlapping(each, taken)] for choice in choices]
    for number in sorted(range(DISTINCT_CLUSTERS), key=lambda each: bool(elsewhere[each])):
        if holder := _take(scope, number):
            return Ranges(choices[number], holder, _note(choices[number], elsewhere[number], usual=not number))
    return Ranges(config, note=f"{DISTINCT_CLUSTERS} clusters run: this one has the addresses of the first")


def routes_of_this_machine() -> list[str]:
    """The destinations of all routes, in both families. Raises OSError."""
    with Netlink() as netlink:
        return [route.dst for ipv6 in (False, True) for route in netlink.routes(ipv6=ipv6) if route.dst]


def _note(config: ClusterConfig, elsewhere: list[str], *, usual: bool) -> str:
    if elsewhere:
        return f"this machine uses {', '.join(elsewhere)} itself: the cluster's addresses there are hidden from it"
    services, pods = " and ".join(config.network.service_cidrs), " and ".join(config.network.pod_cidrs)
    return "" if usual else f"Services in {services}, pods in {pods}: the usual ranges are taken"


def _take(scope: str, number: int) -> socket.socket | None:
    """Holds the number; None where another cluster has it."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        holder.bind(f"\0{scope}-addresses-{number}")
    except OSError as error:
        holder.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return holder
