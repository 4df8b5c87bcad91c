"""Clusters for the end-to-end tests: one shared by a whole run, and fresh ones for tests that break theirs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.minik import UNPRIVILEGED, MinikCluster, unreachable_for

_PREFIX = "minik-e2e-"


def _home(user: str | None) -> Path:
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(home, account.pw_uid, account.pw_gid)
    return home


def _remove(cluster: MinikCluster) -> None:
    cluster.minik("down", "--name", cluster.name, check=False)
    shutil.rmtree(cluster.home, ignore_errors=True)


def _remove_strays() -> None:
    """Ends the clusters of test runs that were killed."""
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = home.name.removeprefix(_PREFIX).partition("-")[0]
        if Path(f"/proc/{pid}").exists() or home.stat().st_uid not in (os.getuid(), _unprivileged_uid()):
            continue
        user = None if home.stat().st_uid == os.getuid() else UNPRIVILEGED
        for folder in (home / "m" / "clusters").glob("*/"):
            MinikCluster(home, name=folder.name, user=user).minik("down", "--name", folder.name, check=False)
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged_uid() -> int | None:
    try:
        return pwd.getpwnam(UNPRIVILEGED).pw_uid if os.getuid() == 0 else None
    except KeyError:
        return None


def can_run() -> str | None:
    """Why no cluster can run here, or None."""
    probe = subprocess.run(
        ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount", "true"],
        capture_output=True,
        text=True,
    )
    return None if probe.returncode == 0 else f"this machine makes no namespaces: {probe.stderr.strip()}"


@pytest.fixture(scope="session", autouse=True)
def _machine_can_run() -> None:
    if reason := can_run():
        pytest.skip(reason)
    _remove_strays()


@pytest.fixture(scope="session")
def cluster() -> Iterator[MinikCluster]:
    """A three-node cluster that tests share; each works in a namespace of its own and cleans up what it changes."""
    shared = MinikCluster(_home(None), name="shared")
    try:
        shared.up(nodes=3)
        yield shared
    finally:
        _remove(shared)


@pytest.fixture
def namespace(cluster: MinikCluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace of the shared cluster."""
    name = "".join(char if char.isalnum() else "-" for char in request.node.name.lower())[:50].strip("-")
    cluster.kubectl(
        "create", "-f", "-", stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}'
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=true", timeout=90)


@pytest.fixture
def make_cluster() -> Iterator[Callable[..., MinikCluster]]:
    """Makes clusters of the test's own; they are not up yet."""
    made: list[MinikCluster] = []

    def make(*, name: str = "minik", user: str | None = None) -> MinikCluster:
        made.append(MinikCluster(_home(user), name=name, user=user))
        return made[-1]

    yield make
    for cluster in made:
        _remove(cluster)


@pytest.fixture(params=["root", "rootless"])
def someone(request: pytest.FixtureRequest) -> str | None:
    """Root, and an ordinary user: None stands for whoever runs the tests."""
    if request.param == "rootless" and os.geteuid() == 0:
        if reason := unreachable_for(UNPRIVILEGED):
            pytest.skip(reason)
        return UNPRIVILEGED
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("not root")
    return None
