"""The echo server as a program of its own, for runtimes that exec: configured by one environment variable."""

from __future__ import annotations

import json
import os

from agent.runtime.process import echo
from agent.runtime.process.model import EchoConfig


def main() -> int:
    """Serves what ``MINIK_ECHO`` tells: {"ports": [["TCP", 80]], "identity": {…}}."""
    env = dict(os.environ)
    told = json.loads(env.pop("MINIK_ECHO", "{}"))
    config = EchoConfig([(str(protocol), int(port)) for protocol, port in told.get("ports") or ()],
                        dict(told.get("identity") or {}))  # fmt: skip
    return echo.serve(config, env, ready=lambda: None)
