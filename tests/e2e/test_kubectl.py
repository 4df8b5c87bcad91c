"""A day with kubectl: every command that users type, in an order that makes sense, with each version we have."""

from __future__ import annotations

import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.minik import CLIENTS, ROOT, MinikCluster, eventually, kubectls

pytestmark = pytest.mark.e2e

QUICKSTART = ROOT / "examples" / "quickstart" / "deployment.yaml"

CREATING = """
create configmap settings --from-literal=a=b
create secret generic password --from-literal=p=q
create serviceaccount robot
create token robot
create role reader --verb=get,list --resource=pods
create rolebinding readers --role=reader --serviceaccount={ns}:robot
create clusterrole node-reader-{ns} --verb=get --resource=nodes
create clusterrolebinding node-readers-{ns} --clusterrole=node-reader-{ns} --user=somebody
create job once --image=minik.local/host -- true
create cronjob often --image=minik.local/host --schedule=*/5\\ *\\ *\\ *\\ * -- true
create quota limit --hard=pods=50
create priorityclass urgent-{ns} --value=10
create ingress way --rule=example.org/=web:80
create deployment web --image=minik.local/echo --replicas=2 --port=8080
expose deployment web --port=80 --target-port=8080
rollout status deployment/web --timeout=60s
wait --for=condition=complete job/once --timeout=60s
autoscale deployment web --min=2 --max=3 --cpu-percent=50
delete hpa web
"""

CHANGING = """
label deployment web x=y
annotate deployment web note=text
set env deployment/web A=1
set resources deployment/web --limits=cpu=200m,memory=64Mi
set serviceaccount deployment web robot
rollout pause deployment/web
rollout resume deployment/web
rollout restart deployment/web
rollout history deployment/web
rollout status deployment/web --timeout=60s
rollout undo deployment/web
rollout status deployment/web --timeout=60s
scale deployment/web --replicas=3
scale deployment/web --replicas=2 --current-replicas=3
patch deployment web -p {{"metadata":{{"labels":{{"strategic":"1"}}}}}}
patch deployment web --type=merge -p {{"metadata":{{"labels":{{"merge":"1"}}}}}}
patch deployment web --type=json -p [{{"op":"add","path":"/metadata/labels/json","value":"1"}}]
apply --server-side -f {quickstart}
apply -f {quickstart}
diff -f {quickstart}
apply view-last-applied deployment my-app
apply --server-side -f {quickstart}
taint node {node} {ns}=yes:PreferNoSchedule
taint node {node} {ns}-
delete deployment my-app
rollout status deployment/web --timeout=60s
"""

READING = """
get all -o wide
get deployment web -o yaml
get pods --sort-by=.metadata.name --show-labels
get pods -o custom-columns=N:.metadata.name
get pods -o go-template={{{{range.items}}}}{{{{.metadata.name}}}}{{{{end}}}}
get pods --field-selector=status.phase=Running -l app=web
get events
events
describe all
describe cm,secret,sa,role,quota,ingress,cronjob,job
describe node
explain deployment.spec.strategy --recursive
explain pods.spec.containers.livenessProbe
explain service.spec.internalTrafficPolicy
explain deployment.spec --output=plaintext-openapiv2
get pods -w --request-timeout=1s
describe namespace {ns}
api-resources
api-versions
cluster-info
version
auth whoami
auth can-i list pods --as=system:serviceaccount:{ns}:robot
get --raw /api/v1/namespaces/{ns}/pods
get --raw /readyz?verbose
"""


@pytest.fixture(params=kubectls() or [None], ids=lambda path: Path(path).name if path else "none")
def kubectl(request: pytest.FixtureRequest) -> str:
    if request.param is None:
        pytest.skip("no kubectl: run `python tools/fetch_clients.py .clients`")
    return str(request.param)


@pytest.fixture
def cleaned(cluster: MinikCluster, namespace: str) -> Iterator[str]:
    yield namespace
    for kind, name in (
        ("clusterrole", "node-reader"),
        ("clusterrolebinding", "node-readers"),
        ("priorityclass", "urgent"),
    ):
        cluster.kubectl("delete", kind, f"{name}-{namespace}", "--ignore-not-found")


def test_a_day_with_kubectl(cluster: MinikCluster, cleaned: str, kubectl: str, tmp_path: Path) -> None:
    def say(*argv: str) -> str:
        return cluster.kubectl("-n", cleaned, *argv, binary=kubectl, timeout=90).stdout

    for line in (CREATING + CHANGING + READING).strip().splitlines():
        node = f"{cluster.name}-1"
        say(*shlex.split(line.format(ns=cleaned, quickstart=QUICKSTART, node=node).replace('"', '\\"')))
    pod = say("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
    assert "listening" in say("logs", pod, "--tail=50", "--timestamps")
    assert say("exec", pod, "--", "echo", "hi") == "hi\n"
    (tmp_path / "file").write_text("copied")
    say("cp", str(tmp_path / "file"), f"{pod}:/tmp/there")
    say("cp", f"{pod}:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "copied"
    assert "attached" in say(
        "run", "-i", "--rm", "short", "--image=minik.local/host", "--restart=Never", "--", "echo", "attached"
    )
    say("debug", pod, "--image=minik.local/host", "-c", "visitor", "--", "sleep", "1")
    eventually(
        lambda: "visitor" in say("get", "pod", pod, "-o", "jsonpath={.status.ephemeralContainerStatuses[*].name}")
    )
    assert "Error from server (NotFound)" in cluster.kubectl("get", "pod", "nobody", binary=kubectl, check=False).stderr


def forwarded(cluster: MinikCluster, kubectl: str, namespace: str, what: str) -> str:
    """What a request through `kubectl port-forward` is answered."""
    command = [kubectl, "-n", namespace, "port-forward", what, ":8080"]
    with subprocess.Popen(command, env=cluster.environment, stdout=subprocess.PIPE, text=True) as forwarding:
        try:
            assert forwarding.stdout is not None
            port = forwarding.stdout.readline().split(" -> ")[0].rpartition(":")[2]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/hostname", timeout=60) as answer:
                return str(answer.read().decode()).strip()
        finally:
            forwarding.terminate()


def test_what_takes_two_sides(cluster: MinikCluster, namespace: str, kubectl: str) -> None:
    """edit, port-forward, attach and debugging a node: commands that go on while something else happens."""

    def say(*argv: str) -> str:
        return cluster.kubectl("-n", namespace, *argv, binary=kubectl, timeout=90).stdout

    say("run", "echo", "--image=minik.local/echo", "--port=8080", "--labels=app=echo,old=yes")
    say("expose", "pod", "echo")
    say("wait", "pod/echo", "--for=condition=Ready", "--timeout=60s")
    assert forwarded(cluster, kubectl, namespace, "pod/echo") == "echo"
    assert forwarded(cluster, kubectl, namespace, "service/echo") == "echo"
    editor = "KUBE_EDITOR=sed -i s/old:/new:/"
    assert "edited" in cluster.run("env", editor, kubectl, "-n", namespace, "edit", "pod", "echo").stdout
    assert say("get", "pods", "-l", "new=yes", "-o", "name") == "pod/echo\n"
    said = cluster.run(kubectl, "-n", namespace, "run", "-i", "--rm", "cat", "--image=minik.local/host",
                       "--restart=Never", "--", "cat", stdin="typed in\n", timeout=90).stdout  # fmt: skip
    assert "typed in" in said
    say("debug", f"node/{cluster.name}-1", "--image=minik.local/host", "--", "true")
    debugger = say("get", "pods", "-o", "name").replace("pod/echo", "").strip()
    say("wait", debugger, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")


@pytest.mark.parametrize("old", sorted((CLIENTS / "older").glob("kubectl-*")) or [None], ids=str)
def test_an_older_kubectl(cluster: MinikCluster, namespace: str, old: Path | None) -> None:
    """The streams of those days are SPDY, the discovery another version."""
    if old is None:
        pytest.skip("no older kubectl: run `python tools/fetch_clients.py .clients`")
    kubectl = str(old)

    def say(*argv: str) -> str:
        return cluster.kubectl("-n", namespace, *argv, binary=kubectl, timeout=90).stdout

    say("create", "deployment", "web", "--image=minik.local/echo", "--port=8080")
    say("rollout", "status", "deployment/web", "--timeout=60s")
    say("scale", "deployment/web", "--replicas=2", "--current-replicas=1")
    pod = say("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
    assert "listening" in say("logs", pod)
    assert say("exec", pod, "--", "echo", "hi") == "hi\n"
    assert forwarded(cluster, kubectl, namespace, f"pod/{pod}") == pod
    assert "RollingUpdate" in say("describe", "deployment", "web")
    assert "progressDeadlineSeconds" in say("explain", "deployment.spec")
    assert "deleted" in say("delete", "deployment", "web", "--timeout=60s")


TWO = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {set: x}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {set: x}}
"""

RARER = """
create serviceaccount robot
auth can-i --list --as=system:serviceaccount:{ns}:robot
get --raw /
get events --field-selector=type=Normal
events --types=Normal
api-resources -o wide
create deployment web --image=minik.local/echo --replicas=2
rollout status deployment/web --timeout=60s
wait deployment/web --for=jsonpath={{.status.readyReplicas}}=2 --timeout=60s
set image deployment/web *=minik.local/echo:latest
rollout undo deployment/web --to-revision=1
rollout status deployment/web --timeout=60s
expose deployment web --port=80
set selector service/web app=other
create rolebinding viewers --clusterrole=view --serviceaccount={ns}:robot
set subject rolebinding viewers --user=somebody
cluster-info dump --namespaces={ns} --output-directory={tmp}/dump
create poddisruptionbudget web --selector=app=web --min-available=2
"""


def test_what_is_typed_less_often(cluster: MinikCluster, namespace: str, tmp_path: Path) -> None:
    def say(*argv: str, stdin: str | None = None) -> str:
        return cluster.kubectl("-n", namespace, *argv, stdin=stdin, timeout=90).stdout

    for line in RARER.strip().splitlines():
        say(*shlex.split(line.format(ns=namespace, tmp=tmp_path)))
    assert "listening" in "".join(path.read_text() for path in (tmp_path / "dump").rglob("logs.txt"))
    role = f"{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: r, namespace: {namespace}}}}}"
    assert "reconciled" in say("auth", "reconcile", "-f", "-", stdin=role)

    both, one = (
        ("apply", "-f", "-", "-l", "set=x", "--prune", "--prune-allowlist=core/v1/ConfigMap"),
        TWO.split("---")[0],
    )
    assert "two created" in say(*both, stdin=TWO)
    assert "two pruned" in say(*both, stdin=one)
    assert "one replaced" in say("replace", "--force", "-f", "-", stdin=one)
    with cluster.following("-n", namespace, "wait", "configmap/three", "--for=create", "--timeout=60s") as waiting:
        say("create", "configmap", "three")
        assert "condition met" in waiting.readline()

    pod = say("get", "pods", "-l", "app=web", "-o", "name").split()[0]
    node = say("get", pod, "-o", "jsonpath={.spec.nodeName}")
    try:
        refused = cluster.kubectl("drain", node, "--pod-selector=app=web", "--timeout=1s", check=False)
        assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.stderr
    finally:
        cluster.kubectl("uncordon", node)
    say("debug", pod, "--image=minik.local/host", "--copy-to=copy", "--", "sleep", "60")
    say("wait", "pod/copy", "--for=condition=Ready", "--timeout=60s")


def test_a_node_is_drained(cluster: MinikCluster, namespace: str, kubectl: str) -> None:
    node = f"{cluster.name}-1"
    pinned = f'{{"spec": {{"nodeName": "{node}", "terminationGracePeriodSeconds": 1}}}}'
    cluster.kubectl(
        "-n", namespace, "run", "guest", "--image=minik.local/echo", f"--overrides={pinned}", binary=kubectl
    )
    cluster.kubectl("-n", namespace, "wait", "pod/guest", "--for=condition=Ready", "--timeout=60s", binary=kubectl)
    try:
        drained = cluster.kubectl("drain", node, "--force", "--ignore-daemonsets", "--timeout=60s", binary=kubectl)
        assert "drained" in drained.stdout
        assert not cluster.get("pods", "-n", namespace)["items"]
        status = cluster.kubectl("get", "node", node, "--no-headers", binary=kubectl).stdout.split()[1]
        assert status == "Ready,SchedulingDisabled"
    finally:
        cluster.kubectl("uncordon", node, binary=kubectl)
