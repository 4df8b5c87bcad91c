"""Starts a machine as a supervisor would: in a network and a pid namespace of its own. ``launch_machine.py CONFIG``.

Dies with its parent, and the machine with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from agent.runtime.process import machine
from minikube_py.config.parts import MachineConfig
from minikube_py.linux import process
from minikube_py.linux.namespaces import CLONE_NEWNET, CLONE_NEWPID, unshare


def _config(path: Path) -> MachineConfig:
    told = json.loads(path.read_bytes())
    return MachineConfig(**{name: value if name == "node_name" else Path(value) for name, value in told.items()})


def main(config_path: str) -> int:
    process.die_with_parent()
    unshare(CLONE_NEWNET | CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        os._exit(machine.main(_config(Path(config_path))))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
