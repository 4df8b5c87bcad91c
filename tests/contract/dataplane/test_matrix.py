"""Every Service type x policy x family x protocol x source x state of the endpoints, on both data planes, for real.

What must come of each cell is in tests/support/servicematrix.py, with the document that says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support import servicematrix
from tests.support.asking import Question, ask_all
from tests.support.netlab import NODES, Lab
from tests.support.nodeplane import PLANES, NodePlane

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root (or unshare -Ur)")]

Planes = list[NodePlane]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield built


@pytest.fixture(params=PLANES)
def planes(lab: Lab, request: pytest.FixtureRequest) -> Iterator[list[NodePlane]]:
    """The plane on both nodes."""
    running: list[NodePlane] = []
    try:
        for node in NODES:
            running.append(NodePlane(lab, PLANES[request.param], node=node))
        yield running
    finally:
        for plane in running:
            plane.close()


def test_every_cell_is_as_documented(lab: Lab, planes: list[NodePlane]) -> None:
    """The states of the endpoints follow each other on the same planes, as in a Service's life."""
    wrong: list[str] = []
    for state in servicematrix.STATES:
        for plane in planes:
            plane.put(servicematrix.objects(state))
            assert plane.run(plane.plane.problems) == {}
        wrong += _differences(lab, state)
    assert not wrong, "\n".join(wrong)


def _differences(lab: Lab, state: str) -> list[str]:
    cells = {_question(cell): cell for cell in servicematrix.cells(state)}
    answers = ask_all(lab, cells)
    return [
        f"{state}: {cell}: {answers[question]}, not {cell.answers} seeing {' or '.join(cell.seen)}"
        for question, cell in cells.items()
        if not cell.holds(answers[question])
    ]


def _question(cell: servicematrix.Cell) -> Question:
    return Question(cell.source, cell.ip, cell.port, cell.protocol, silent=cell.answers == servicematrix.DROPPED)
