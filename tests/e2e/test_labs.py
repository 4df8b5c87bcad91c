"""Every lab on a real cluster: it can be failed, it can be passed; and a student's way through the first one."""

from __future__ import annotations

import os
import re

import pytest

from tests.support.minik import MinikCluster, eventually

pytestmark = pytest.mark.e2e


def test_every_lab_can_be_failed_and_passed(cluster: MinikCluster) -> None:
    """A seed of its own for each run: node ports on the loopback belong to all clusters of a user."""
    lint = cluster.minik(
        "lab", "lint", "--name", cluster.name, "--seed", str(os.getpid()), "--jobs", "5", check=False, timeout=580
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr + cluster.logs()
    assert len(re.findall("^✓ ", lint.stdout, flags=re.MULTILINE)) == 13


def test_a_student_goes_through_the_first_lab(cluster: MinikCluster) -> None:
    def lab(*words: str, check: bool = True) -> str:
        done = cluster.minik("lab", *words, *(() if words[0] == "report" else ("--name", cluster.name)), check=False)
        assert bool(done.returncode == 0) is check, done.stdout + done.stderr
        return done.stdout

    lesson = lab("start", "1", "--lang", "zh", "--seed", "student")
    assert "lab-selector" in lesson and "你的任务" in lesson
    try:
        assert "✗" in lab("check", "1", check=False)
        assert "there already" in lab("lint", "1", check=False), "whose lab it is keeps it"
        assert "1 of 3" in lab("hint", "1") and "2 of 3" in lab("hint", "selector")
        wanted = cluster.get("pods", "-n", "lab-selector", "-l", "app")["items"][0]["metadata"]["labels"]["app"]
        patch = f'{{"spec":{{"selector":{{"app":"{wanted}"}}}}}}'
        cluster.kubectl("patch", "service", "web", "-n", "lab-selector", "-p", patch)
        slices = ("-l", "kubernetes.io/service-name=web", "-n", "lab-selector")
        wait = "--for=jsonpath={.endpoints[1].conditions.ready}=true"
        cluster.kubectl("wait", "endpointslice", *slices, wait, "--timeout=60s")
        _until_passed(cluster)
        assert "selector" in lab("list")
        lab("report", "--student", "ann", "-o", "ann.json")
        told = lab("report", "--verify", "ann.json")
        assert "ann" in told and "1 selector" in told and "2 hints" in told
    finally:
        lab("reset", "1", "--stop")
    assert "not started" in cluster.minik("lab", "check", "1", "--name", cluster.name, check=False).stderr


def _until_passed(cluster: MinikCluster) -> None:
    def passed() -> bool:
        return cluster.minik("lab", "check", "1", "--name", cluster.name, check=False).returncode == 0

    eventually(passed, within=60, what="the first lab is passed")
