"""The default system call filter, run on an interpreter of its own."""

from __future__ import annotations

import pytest

from minikube_py.linux.process import DEFAULT_CAPABILITIES, capability_mask
from minikube_py.linux.seccomp import Instruction, NoFilter, default_filter

USUAL = capability_mask(DEFAULT_CAPABILITIES)
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def run(program: list[Instruction], number: int, *, machine: str = "x86_64", first: int = 0) -> int:
    """What the kernel would make of one call."""
    data = {0: number, 4: ARCHITECTURES[machine], 16: first}
    value, at = 0, 0
    while True:
        code, yes, no, operand = program[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            value = data[operand]
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += yes if holds else no


@pytest.mark.parametrize(
    ("machine", "number", "verdict"),
    [
        ("x86_64", 0, ALLOW),  # read
        ("x86_64", 59, ALLOW),  # execve
        ("x86_64", 165, EPERM),  # mount
        ("x86_64", 272, EPERM),  # unshare
        ("x86_64", 435, ENOSYS),  # clone3
        ("x86_64", 0x40000000, EPERM),  # x32
        ("aarch64", 40, EPERM),  # mount
        ("aarch64", 63, ALLOW),  # read
    ],
)
def test_verdicts(machine: str, number: int, verdict: int) -> None:
    assert run(default_filter(USUAL, machine), number, machine=machine) == verdict


def test_clone_may_make_threads_but_no_namespaces() -> None:
    program = default_filter(USUAL, "x86_64")
    assert run(program, 56, first=0x00010F00) == ALLOW
    assert run(program, 56, first=0x10000000) == EPERM


def test_a_capability_brings_its_calls() -> None:
    program = default_filter(USUAL | capability_mask(["SYS_ADMIN"]), "x86_64")
    assert [run(program, number) for number in (165, 435, 246)] == [ALLOW, ALLOW, EPERM]
    assert run(program, 56, first=0x10000000) == ALLOW


def test_other_architectures_are_not_guessed() -> None:
    assert run(default_filter(USUAL, "aarch64"), 63, machine="x86_64") == EPERM
    with pytest.raises(NoFilter):
        default_filter(USUAL, "riscv64")
