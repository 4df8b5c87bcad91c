"""One suite over clusters whose pods are Docker containers: under `minik up --runtime docker`, and under Compose.

Each cluster is brought up once; what a test breaks, the next finds mended.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import BUSYBOX, busybox_archive
from tests.support.compose import ComposeCluster
from tests.support.engine import PrivateEngine, private_engine
from tests.support.minik import ROOT, UNPRIVILEGED, MinikCluster, eventually, need_kubectl, unreachable_for

pytestmark = pytest.mark.e2e

PATIENCE = 60.0
#: What does not depend on where the parts run is shown once.
docker_only = pytest.mark.parametrize("cluster", ["docker"], indirect=True)
compose_only = pytest.mark.parametrize("cluster", ["compose"], indirect=True)
POD = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s", "labels": {"run": "%s"}}, "spec": %s}'


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    yield from private_engine(own_network=True)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="minik-e2e-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", params=["docker", "compose"])
def cluster(request: pytest.FixtureRequest, engine: PrivateEngine, home: Path) -> Iterator[MinikCluster]:
    if request.param == "compose":
        home = _within(home)
        user = _docker_user(engine, home)
        composed = ComposeCluster(home, engine, name="composed", user=user)
        images = engine.docker("images", "-q")  # those that others have loaded stay
        try:
            told = composed.start(agents=2)
            assert ("the cluster's parts are containers" in told) and "composed-2 is Ready" in told
            _quickstart(composed)
            yield composed
        finally:
            composed.down()
        assert engine.docker("ps", "-aq") == engine.docker("volume", "ls", "-q") == ""
        assert engine.docker("images", "-q") == images
        assert "composed" not in engine.docker("network", "ls")
        assert not (home / "m" / "clusters").exists()
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
        docked = MinikCluster(home, name="docked")
        try:
            docked.up(nodes=3, extra=["--runtime", "auto", "--node-runtime", "docked-3=process"])
            docked.kubectl("cordon", "docked-3")  # tests that pods are containers have none there
            _quickstart(docked)
            yield docked
        finally:
            docked.down()
        assert engine.docker("ps", "-aq") == ""
        assert "minik.local" not in engine.docker("images"), "down removes what the agents have made for themselves"


def _within(home: Path) -> Path:
    """A home for somebody else than the owner of ``home``."""
    home.chmod(0o755)
    (home / "another").mkdir()
    return home / "another"


def _docker_user(engine: PrivateEngine, home: Path) -> str:
    """An ordinary user who may use the engine; the cluster's home is theirs."""
    if reason := unreachable_for(UNPRIVILEGED):
        pytest.skip(reason)
    engine.admit(UNPRIVILEGED)
    shutil.chown(home, UNPRIVILEGED, UNPRIVILEGED)
    return UNPRIVILEGED


def _quickstart(cluster: MinikCluster) -> None:
    cluster.kubectl("apply", "-f", str(ROOT / "examples" / "quickstart"))
    cluster.kubectl("rollout", "status", "deployment/my-app", "--timeout=120s", timeout=150)
    cluster.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s", timeout=90)


def _run(cluster: MinikCluster, name: str, spec: str) -> None:
    cluster.apply(POD % (name, name, spec))
    cluster.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s", timeout=90)


def _answers(cluster: MinikCluster, url: str, client: str = "client") -> set[str]:
    script = f"for i in $(seq 20); do curl -sS --max-time 5 {url}/hostname; done"
    return set(cluster.exec(client, "sh", "-c", script, check=False).split())


def _pods(cluster: MinikCluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.get("pods", "-l", "app=my-app")["items"]}


def _container(engine: PrivateEngine, pod: str, kind: str) -> str:
    found = engine.docker(
        "ps", "-q", "--filter", f"label=io.kubernetes.pod.name={pod}", "--filter", f"label=minik.kind={kind}"
    )
    return found.split()[0]


def test_services_and_names(cluster: MinikCluster) -> None:
    pods = _pods(cluster)
    for url in ("http://my-internal-service", "http://my-internal-service.default.svc.cluster.local"):
        eventually(lambda url=url: _answers(cluster, url) == pods, within=PATIENCE, what=f"all pods behind {url}")  # type: ignore[misc]
    node = cluster.get("nodes")["items"][0]["status"]["addresses"][0]["address"]
    assert _answers(cluster, f"http://{node}:30007") == pods
    assert (
        cluster.exec("client", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-k", "https://kubernetes")
        == "403"
    )


@docker_only
def test_a_service_across_runtimes(cluster: MinikCluster) -> None:
    """A process and containers behind one Service, asked from a container and from a process."""
    for name, labels, port in (("process", "app: my-app", "9376"), ("asker", "run: asker", "1")):
        image = "minik.local/echo" if name == "process" else "minik.local/host\n    command: [sleep, '1000']"
        cluster.apply(
            f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{{labels}}}\n"
            "spec:\n  nodeName: docked-3\n"
            f"  terminationGracePeriodSeconds: 1\n  containers:\n  - name: app\n    image: {image}\n"
            f"    ports: [{{containerPort: {port}}}]\n"
        )
    cluster.kubectl("wait", "pod/process", "pod/asker", "--for=condition=Ready", "--timeout=60s", timeout=90)
    pods = _pods(cluster)
    assert "process" in pods
    for client in ("client", "asker"):
        eventually(
            lambda client=client: _answers(cluster, "http://my-internal-service", client) == pods,  # type: ignore[misc]
            within=PATIENCE,
            what=f"all pods for {client}",
        )
    cluster.kubectl("delete", "pod/process", "pod/asker", "--wait=true", timeout=90)


@compose_only
def test_node_ports_on_the_host(cluster: MinikCluster) -> None:
    answer = cluster.run("curl", "-sS", "--max-time", "10", "http://127.0.0.1:30007/hostname").stdout.strip()
    assert answer in _pods(cluster)


def test_streams(cluster: MinikCluster) -> None:
    assert "listening" in cluster.kubectl("logs", "deployment/my-app").stdout
    assert cluster.kubectl("exec", "-i", "client", "--", "cat", stdin="over and out").stdout == "over and out"
    failed = cluster.kubectl("exec", "client", "--", "sh", "-c", "exit 7", check=False)
    assert "exit code 7" in failed.stderr
    forward = f"kubectl=$1; $kubectl port-forward deployment/my-app 0:9376 > {cluster.home}/forward & pid=$!; " + (
        "for i in $(seq 600); do port=$(sed -n 's/.*127.0.0.1:\\([0-9]*\\) .*/\\1/p' $2); [ -n \"$port\" ] && break; "
        "sleep 0.1; done; curl -sS --max-time 20 http://127.0.0.1:$port/hostname; kill $pid"
    )
    answer = cluster.run(
        "sh", "-c", forward, "sh", need_kubectl(), f"{cluster.home}/forward", timeout=120
    ).stdout.strip()
    assert answer in _pods(cluster)


def test_volumes_and_identity(cluster: MinikCluster) -> None:
    cluster.kubectl("create", "configmap", "told", "--from-literal=word=first")
    spec = """{"terminationGracePeriodSeconds": 0, "volumes": [{"name": "told", "configMap": {"name": "told"}},
      {"name": "fast", "emptyDir": {"medium": "Memory"}}, {"name": "plain", "emptyDir": {}}],
      "containers": [{"name": "app", "image": "minik.local/host", "command": ["sleep", "1000"],
        "volumeMounts": [{"name": "told", "mountPath": "/told"}, {"name": "fast", "mountPath": "/fast"},
                         {"name": "plain", "mountPath": "/plain"}]}]}"""
    _run(cluster, "keeper", spec)
    script = "cat /told/word; echo; touch /fast/x /plain/x; ls /var/run/secrets/kubernetes.io/serviceaccount; hostname"
    out = cluster.exec("keeper", "sh", "-c", script)
    assert out.startswith("first")
    assert {"ca.crt", "namespace", "token", "keeper"} <= set(out.split())
    cluster.kubectl("delete", "pod/keeper", "configmap/told", "--wait=true", timeout=90)


def test_pods_on_the_nodes_own_network(cluster: MinikCluster) -> None:
    spec = """{"hostNetwork": true, "terminationGracePeriodSeconds": 0,
      "containers": [{"name": "app", "image": "minik.local/host", "command": ["sleep", "1000"]}]}"""
    _run(cluster, "neighbour", spec)
    pod = cluster.get("pod", "neighbour")
    assert pod["status"]["podIP"] == pod["status"]["hostIP"]
    assert pod["status"]["hostIP"] in cluster.exec("neighbour", "cat", "/proc/net/fib_trie")
    cluster.kubectl("delete", "pod/neighbour", "--wait=true", timeout=90)


@docker_only
def test_a_loaded_image(cluster: MinikCluster, tmp_path: Path) -> None:
    if not BUSYBOX.exists():
        pytest.skip("no static busybox: install Debian's busybox-static")
    busybox_archive(tmp_path / "image.tar", "example.org/tool:1", {"Env": ["PATH=/bin"], "Cmd": ["sleep", "3600"]})
    (tmp_path / "Dockerfile").write_text("FROM example.org/tool:1\nENV BUILT=yes\n")
    cluster.minik("image", "load", "--name", cluster.name, str(tmp_path / "image.tar"))
    cluster.minik("image", "build", "--name", cluster.name, "-t", "example.org/tool:1", str(tmp_path))
    assert "example.org/tool:1" in cluster.minik("image", "list", "--name", cluster.name).stdout
    spec = """{"terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "example.org/tool:1"}]}"""
    _run(cluster, "tool", spec)
    assert "BUILT=yes" in cluster.exec("tool", "env")
    cluster.kubectl("delete", "pod/tool", "--wait=true", timeout=90)


def _restarts(cluster: MinikCluster) -> int:
    statuses = cluster.get("pod", "client")["status"].get("containerStatuses") or [{"restartCount": 0}]
    return int(statuses[0]["restartCount"])


@docker_only
def test_what_dies_comes_back(cluster: MinikCluster, engine: PrivateEngine) -> None:
    """The app killed, its container removed behind our back, the sandbox killed."""
    before = _restarts(cluster)
    os.kill(int(engine.docker("inspect", "-f", "{{.State.Pid}}", _container(engine, "client", "container"))), 9)
    eventually(lambda: _restarts(cluster) > before, within=PATIENCE, what="a killed container to be restarted")
    cluster.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s", timeout=90)
    engine.docker("rm", "-f", _container(engine, "client", "container"))
    eventually(lambda: _restarts(cluster) > before + 1, within=PATIENCE, what="a removed container to be restarted")
    cluster.kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s", timeout=90)
    sandbox = _container(engine, "client", "sandbox")
    engine.docker("kill", sandbox)
    eventually(lambda: sandbox not in engine.docker("ps", "-q").split(), within=PATIENCE)
    eventually(lambda: _answers(cluster, "http://my-internal-service") == _pods(cluster), within=2 * PATIENCE)


def _reason(cluster: MinikCluster) -> str:
    conditions = [node["status"]["conditions"] for node in cluster.get("nodes")["items"]]
    return " ".join(each["message"] for node in conditions for each in node if each["type"] == "Ready")


@docker_only
def test_an_engine_that_dies(cluster: MinikCluster, engine: PrivateEngine) -> None:
    engine.stop(signal.SIGKILL)
    eventually(lambda: "container runtime is down" in _reason(cluster), within=PATIENCE, what="the nodes to say so")
    engine.start()
    cluster.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s", timeout=90)
    pods = _pods(cluster)
    eventually(
        lambda: _answers(cluster, "http://my-internal-service") == pods, within=2 * PATIENCE, what="the same pods"
    )


@docker_only
def test_a_node_that_is_switched_off_takes_its_containers_along(cluster: MinikCluster, engine: PrivateEngine) -> None:
    node = f"{cluster.name}-2"
    assert engine.docker("ps", "-q", "--filter", f"label=minik.node={node}")
    cluster.minik("node", "stop", node, "--name", cluster.name)
    eventually(
        lambda: not engine.docker("ps", "-q", "--filter", f"label=minik.node={node}"),
        within=PATIENCE,
        what="the containers of the node to go",
    )


@compose_only
def test_what_is_the_machines_own(cluster: MinikCluster, engine: PrivateEngine) -> None:
    """hostPath volumes are made and checked on the engine's machine; its resolver answers through the cluster's DNS."""
    place = engine.directory / "host" / "new"
    spec = f"""{{"dnsPolicy": "Default", "terminationGracePeriodSeconds": 0,
      "volumes": [{{"name": "host", "hostPath": {{"path": "{place}", "type": "DirectoryOrCreate"}}}}],
      "containers": [{{"name": "app", "image": "minik.local/host", "command": ["sleep", "1000"],
        "volumeMounts": [{{"name": "host", "mountPath": "/host"}}]}}]}}"""
    _run(cluster, "lodger", spec)
    cluster.exec("lodger", "touch", "/host/mark")
    assert (place / "mark").exists()
    eventually(
        lambda: "192.168.232.1" in cluster.exec("lodger", "getent", "ahostsv4", "apiserver", check=False),
        within=PATIENCE,
        what="the engine's resolver to be heard",
    )
    cluster.kubectl("delete", "pod/lodger", "--wait=true", timeout=90)


@compose_only
def test_agents_come_and_go(cluster: MinikCluster, engine: PrivateEngine) -> None:
    """Killed, a container is back with its pods; another agent is another node; one less takes its pods along."""
    assert isinstance(cluster, ComposeCluster)
    for service in ("agent", "apiserver", "cloud", "controlplane"):
        cluster.kill(service)
    cluster.compose("up", "--wait", "--detach", "--scale", "agent=3")
    cluster.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s", timeout=90)
    assert len(cluster.get("nodes")["items"]) == 3
    pods = _pods(cluster)
    eventually(lambda: _answers(cluster, "http://my-internal-service") == pods, within=PATIENCE, what="the same pods")
    cluster.compose("up", "--wait", "--detach", "--scale", "agent=2")
    assert engine.docker("ps", "-q", "--filter", "label=minik.node=composed-3") == ""
    test_node_ports_on_the_host(cluster)
