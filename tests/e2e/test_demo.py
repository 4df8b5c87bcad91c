"""The demonstration of a fresh clone, as root and as an ordinary user."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.minik import ROOT, MinikCluster

pytestmark = pytest.mark.e2e


def test_the_demo_is_answered_by_every_pod_on_every_road(
    make_cluster: Callable[..., MinikCluster], someone: str | None
) -> None:
    cluster = make_cluster(user=someone)
    path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
    said = cluster.run("env", f"PATH={path}", str(ROOT / "examples" / "demo.sh"), timeout=180).stdout
    roads = said.split("\033[1m")
    answered = [set(re.findall(r"\d+ (my-app-\S+)", road)) for road in roads if road.startswith("From ")]
    assert len(answered) == 3
    assert all(pods == answered[0] and len(pods) == 3 for pods in answered), said
    assert "is gone" in roads[-1]
