"""Runs pytest as root of a fresh user namespace: what an ordinary user's cluster sees.

``python tests/rootless.py ARGUMENTS``; started by root, it becomes ``nobody`` first. The kernel-facing suites run
themselves once more through it, so that rootless is tested wherever root is.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    from minikube_py.linux import namespaces as ns
    from minikube_py.linux import process

    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    uid, gid = os.getuid(), os.getgid()
    try:
        ns.unshare(ns.CLONE_NEWUSER | ns.CLONE_NEWNS | ns.CLONE_NEWNET | ns.CLONE_NEWUTS | ns.CLONE_NEWIPC)
        process.stay_readable()
        ns.write_id_maps(os.getpid(), uid, gid)
    except OSError as error:
        sys.stdout.write(f"no user namespaces here: {error}\n")
        return 77
    os.environ["MINIK_TEST_ROOTLESS"] = "1"
    with tempfile.TemporaryDirectory(prefix="minik-rootless-") as scratch:
        return int(pytest.main(["-p", "no:cacheprovider", f"--basetemp={scratch}/t", "-q", *arguments]))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
