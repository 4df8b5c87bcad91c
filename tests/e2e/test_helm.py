"""Helm 3 and 4: install and wait, upgrade, roll back, list, uninstall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.archives import BUSYBOX, busybox_archive
from tests.support.minik import CLIENTS, MinikCluster

pytestmark = pytest.mark.e2e

CHART = str(Path(__file__).parent / "chart")


each_helm = pytest.mark.parametrize(
    "helm", sorted(CLIENTS.glob("helm-*")) or [None], ids=lambda path: path.name if path else "none"
)


@pytest.fixture(scope="module")
def images(cluster: MinikCluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the charts of `helm create` run: a web server under nginx' name, and busybox."""
    if not BUSYBOX.exists():
        pytest.skip("no static busybox: install Debian's busybox-static")
    folder = tmp_path_factory.mktemp("images")
    ends = "trap 'exit 0' TERM; busybox httpd -f -p 80 -h /www & wait"  # busybox' own deaf ears would cost the grace
    serve = {"Env": ["PATH=/bin"], "Cmd": ["sh", "-c", ends]}
    busybox_archive(folder / "nginx.tar", "nginx:1.16.0", serve, {"www/index.html": b"welcome"})
    busybox_archive(folder / "busybox.tar", "busybox:latest", {"Env": ["PATH=/bin"], "Cmd": ["sh"]})
    for archive in ("nginx.tar", "busybox.tar"):
        cluster.minik("image", "load", "--name", cluster.name, str(folder / archive))


@each_helm
def test_the_chart_that_helm_creates(cluster: MinikCluster, namespace: str, helm: Path | None, images: None) -> None:
    if helm is None:
        pytest.skip("no helm: run `python tools/fetch_clients.py .clients`")

    def say(*argv: str) -> str:
        return cluster.run(str(helm), *argv, "-n", namespace, timeout=120).stdout

    chart = helm.name.replace(".", "-")
    cluster.run(str(helm), "create", chart)
    assert "STATUS: deployed" in say("install", "web", chart, "--wait", "--timeout", "90s")
    assert "Succeeded" in say("test", "web", "--timeout", "90s")
    say("upgrade", "web", chart, "--set", "replicaCount=2", "--wait", "--timeout", "90s")
    deployment = f"web-{chart}"
    assert cluster.get("deployment", deployment, "-n", namespace)["status"]["readyReplicas"] == 2
    say("rollback", "web", "1", "--wait", "--timeout", "90s")
    assert cluster.get("deployment", deployment, "-n", namespace)["spec"]["replicas"] == 1
    assert "Succeeded" in say("test", "web", "--timeout", "90s")
    say("uninstall", "web", "--wait", "--timeout", "90s")
    assert (
        cluster.get("deployments,services,serviceaccounts", "-n", namespace, "-l", "app.kubernetes.io/instance=web")[
            "items"
        ]
        == []
    )


@each_helm
def test_the_life_of_a_release(cluster: MinikCluster, namespace: str, helm: Path | None) -> None:
    if helm is None:
        pytest.skip("no helm: run `python tools/fetch_clients.py .clients`")

    def say(*argv: str) -> str:
        return cluster.run(str(helm), "-n", namespace, *argv, timeout=90).stdout

    say("install", "web", CHART, "--wait", "--timeout", "60s")
    assert cluster.get("deployment", "web", "-n", namespace)["status"]["readyReplicas"] == 1
    say("upgrade", "web", CHART, "--set", "replicas=2", "--wait", "--timeout", "60s")
    assert cluster.get("deployment", "web", "-n", namespace)["status"]["readyReplicas"] == 2
    say("rollback", "web", "1", "--wait")
    assert cluster.get("deployment", "web", "-n", namespace)["spec"]["replicas"] == 1
    assert [release["revision"] for release in json.loads(say("list", "-o", "json"))] == ["3"]
    say("uninstall", "web", "--wait")
    assert cluster.get("deployments,services", "-n", namespace)["items"] == []
