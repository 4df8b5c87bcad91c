"""Real kubectls against the API server alone: what each command sends, and what it prints.

They are those of tools/fetch_clients.py, or the one on the PATH; without any the tests are skipped. Commands that need
nodes are tested with a whole cluster (tests/e2e).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.integration.apiserver.conftest import Server
from tests.support.minik import kubectls

KUBECTLS = kubectls()
pytestmark = pytest.mark.skipif(not KUBECTLS, reason="no kubectl: run `python tools/fetch_clients.py .clients`")

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: x}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""

#: Command line, what its output must contain (any of both streams), and whether it succeeds. In this order.
ROWS: list[tuple[str, str, bool]] = [
    ("version", "Server Version: v1.37.0", True),
    ("api-resources", "deployments", True),
    ("api-versions", "events.k8s.io/v1", True),
    ("get ns", "kube-node-lease", True),
    ("apply -f manifest.yaml", "deployment.apps/web created", True),
    ("apply -f manifest.yaml", "deployment.apps/web unchanged", True),
    ("apply -f broken.yaml", 'unknown field "spec.template.spec.containers[0].imag"', False),
    ("create -f manifest.yaml", "already exists", False),
    ("get deploy,svc -o wide", "app=web", True),
    ("get deploy web -o jsonpath={.spec.replicas}", "1", True),
    ("get deploy web -o yaml", "progressDeadlineSeconds: 600", True),
    ("diff -f changed.yaml", "+  replicas: 2", False),
    ("scale deploy web --replicas 3 --current-replicas 1", "scaled", True),
    ("set image deploy/web c=y", "image updated", True),
    ("set env deploy/web A=b", "env updated", True),
    ("rollout restart deploy web", "restarted", True),
    ("rollout pause deploy web", "paused", True),
    ("label deploy web x=y", "labeled", True),
    ("annotate svc web a=b", "annotated", True),
    ('patch deploy web -p {"spec":{"replicas":2}}', "patched", True),
    ('patch deploy web --type json -p [{"op":"remove","path":"/metadata/labels/x"}]', "patched", True),
    ("apply --server-side -f manifest.yaml", 'conflict with "kubectl-set"', False),
    ("apply --server-side --force-conflicts -f manifest.yaml", "serverside-applied", True),
    ("autoscale deploy web --max 3", "autoscaled", True),
    ("get hpa.v1.autoscaling web -o jsonpath={.spec.maxReplicas}", "3", True),
    ("create configmap c --from-literal=a=b", "created", True),
    ("create secret generic s --from-literal=a=b", "created", True),
    ("create job j --image=x", "created", True),
    ("create cronjob k --image=x --schedule=*/5_*_*_*_*", "", False),
    ("create namespace n", "created", True),
    ("create deployment d --image=x", "created", True),
    ("create sa bot", "created", True),
    ("create token bot", "ey", True),
    ("create clusterrolebinding b --clusterrole=view --serviceaccount=default:bot", "created", True),
    ("auth can-i list pods --as system:serviceaccount:default:bot", "yes", True),
    ("auth can-i delete pods --as system:serviceaccount:default:bot", "no", False),
    ("auth whoami", "admin", True),
    ("auth can-i --list", "[*]", True),
    ("run p --image=x", "pod/p created", True),
    ("get pods -l run=p --field-selector status.phase=Pending -o name", "pod/p", True),
    ("logs p", "", True),
    ("exec p -- true", "does not have a host assigned", False),
    ("describe deploy web", "RollingUpdateStrategy", True),
    ("describe pod p", "QoS Class", True),
    ("describe svc web", "Session Affinity", True),
    ("describe ns default", "No resource quota.", True),
    ("explain deployment.spec.strategy.rollingUpdate", "maxSurge", True),
    ("events", "No events found", True),
    ("get --raw /readyz?verbose", "readyz check passed", True),
    ("get pods --watch-only --request-timeout 1s", "", True),
    ("wait --for=delete pod/none --timeout 5s", "", True),
    ("wait --for=jsonpath={.status.phase}=Pending pod/p --timeout 5s", "condition met", True),
    ("delete pod p --timeout 10s", "deleted", True),
    ("delete -f manifest.yaml --timeout 10s", "deleted", True),
    ("delete cm,secret --all", "deleted", True),
    ("get pods p", 'pods "p" not found', False),
]


@pytest.mark.parametrize("kubectl", KUBECTLS, ids=lambda path: str(KUBECTLS.index(path)))
async def test_every_row_that_needs_no_node(server: Server, tmp_path: Path, kubectl: str) -> None:
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    (tmp_path / "broken.yaml").write_text(MANIFEST.replace("image: x", "imag: x"))
    (tmp_path / "changed.yaml").write_text(MANIFEST.replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector", 1))
    kubeconfig = server.running.kubeconfig(tmp_path / "kubeconfig")
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}
    failed = []
    for command, expected, succeeds in ROWS:
        process = await asyncio.create_subprocess_exec(
            kubectl, *command.split(), cwd=tmp_path, env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(20):
            output = (await process.communicate())[0].decode()
        if expected not in output or (process.returncode == 0) is not succeeds:
            failed.append(f"kubectl {command}: exit {process.returncode}: {output[:400]}")
    assert failed == []
