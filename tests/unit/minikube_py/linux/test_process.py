"""What a process tells the kernel about itself; whatever cannot be undone happens in a child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minikube_py.linux import pidfd, process

ROOT = Path(__file__).resolve().parents[4]


def _in_child(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", f"from minikube_py.linux import process\nimport os, signal\n{code}", *["padding"] * 9],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return result.stdout.strip()


@pytest.mark.parametrize(("title", "shown"), [("/pause", "/pause"), ("x" * 5000, "xxxx")])
def test_a_title_replaces_the_command_line(title: str, shown: str) -> None:
    told = _in_child(f"process.set_title({title!r}); print(open('/proc/self/cmdline').read().replace(chr(0), ''))")
    assert told.startswith(shown)
    assert "python" not in told


def test_names_are_cut_to_what_the_kernel_keeps() -> None:
    assert _in_child("process.set_name('x' * 40); print(open('/proc/self/comm').read())") == "x" * 15


#: Signals 32 and 33, which the C library keeps for itself: whoever started us may have left them ignored.
_OF_THE_C_LIBRARY = 0b11 << 31


def test_ignored_signals_are_default_again() -> None:
    line = "print([l for l in open('/proc/self/status') if l.startswith('SigIgn')][0].split()[1])"
    assert int(_in_child(line), 16) & ~_OF_THE_C_LIBRARY
    assert not int(_in_child(f"process.reset_signals(); {line}"), 16) & ~_OF_THE_C_LIBRARY


def test_no_new_privileges() -> None:
    line = "print([l for l in open('/proc/self/status') if l.startswith('NoNewPrivs')][0])"
    assert _in_child(f"process.no_new_privileges(); {line}") == "NoNewPrivs:\t1"


def test_descriptors_are_closed() -> None:
    code = "os.dup2(0, 50); process.close_range(3); print('50' in os.listdir('/proc/self/fd'))"
    assert _in_child(code) == "False"


@pytest.mark.parametrize(
    ("names", "mask"),
    [([], 0), (["CHOWN"], 1), (["cap_net_admin", "KILL"], 1 << 12 | 1 << 5), (["ALL"], (1 << 41) - 1)],
)
def test_capability_masks(names: list[str], mask: int) -> None:
    assert process.capability_mask(names) == mask


def test_an_unknown_capability() -> None:
    with pytest.raises(ValueError, match="unknown capability 'FLY'"):
        process.capability_mask(["FLY"])


def test_a_process_descriptor_outlives_its_process() -> None:
    child = subprocess.Popen(["sleep", "100"])
    fd = pidfd.pidfd_open(child.pid)
    assert not pidfd.has_ended(fd)
    pidfd.send_signal(fd, signal.SIGKILL)
    child.wait()
    assert pidfd.has_ended(fd)
    with pytest.raises(ProcessLookupError):
        pidfd.send_signal(fd, signal.SIGTERM)
    os.close(fd)
