"""Images: loaded from an archive, listed, run; and what is said of one that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.archives import BUSYBOX, busybox_archive, busybox_layer
from tests.support.minik import MinikCluster, eventually
from tests.support.registry import Registry, pull_secret

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(not BUSYBOX.exists(), reason="no static busybox: install Debian's busybox-static")
def test_a_loaded_image_runs_on_every_node(cluster: MinikCluster, namespace: str, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    busybox_archive(archive, "example.org/tool:1", {"Env": ["PATH=/bin", "FLAVOUR=plain"], "Cmd": ["sleep", "3600"]})
    assert "Loaded example.org/tool:1" in cluster.minik("image", "load", "--name", cluster.name, str(archive)).stdout
    assert "example.org/tool:1" in cluster.minik("image", "list", "--name", cluster.name).stdout
    for number in (1, 2, 3):
        name = f"tool-{number}"
        overrides = f'{{"spec": {{"nodeName": "{cluster.name}-{number}", "terminationGracePeriodSeconds": 0}}}}'
        cluster.kubectl("run", name, "-n", namespace, "--image=example.org/tool:1", f"--overrides={overrides}")
    for number in (1, 2, 3):
        cluster.kubectl("wait", f"pod/tool-{number}", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
        assert "FLAVOUR=plain" in cluster.exec(f"tool-{number}", "env", namespace=namespace)
        cluster.exec(f"tool-{number}", "sh", "-c", f"echo {number} > /own", namespace=namespace)
    assert cluster.exec("tool-1", "cat", "/own", namespace=namespace).strip() == "1", "containers share no writes"


def test_a_missing_image_says_what_to_do(cluster: MinikCluster, namespace: str) -> None:
    cluster.kubectl("run", "absent", "-n", namespace, "--image=example.org/absent:1")

    def reason() -> str:
        statuses = cluster.get("pod", "absent", "-n", namespace)["status"].get("containerStatuses") or [{}]
        return str((statuses[0].get("state", {}).get("waiting") or {}).get("reason", ""))

    eventually(lambda: reason() in ("ErrImagePull", "ImagePullBackOff"), what="the pull to fail")
    eventually(lambda: reason() == "ImagePullBackOff", what="the back-off")
    assert "minik image load" in cluster.kubectl("get", "events", "-n", namespace).stdout


@pytest.mark.skipif(not BUSYBOX.exists(), reason="no static busybox: install Debian's busybox-static")
def test_a_private_registry(cluster: MinikCluster, namespace: str, tmp_path: Path) -> None:
    """Refused without credentials, and let in with those of the pod's ServiceAccount; what these have brought to the
    machine is not for others."""
    registry = Registry(tmp_path, restricted=True)
    registry.start()
    try:
        registry.push("private/tool:1", [busybox_layer()], {"Env": ["PATH=/bin"], "Cmd": ["sleep", "3600"]})
        image = f"--image={registry.address}/private/tool:1"
        cluster.kubectl("run", "stranger", "-n", namespace, image)
        waiting = "{.status.containerStatuses[0].state.waiting.reason}"
        cluster.kubectl("wait", "pod/stranger", "-n", namespace, f"--for=jsonpath={waiting}=ImagePullBackOff",
                        "--timeout=60s", timeout=90)  # fmt: skip
        assert "authorization failed" in cluster.kubectl("get", "events", "-n", namespace).stdout
        cluster.apply(json.dumps(pull_secret(registry)), namespace=namespace)
        patch = '{"imagePullSecrets": [{"name": "ann"}]}'
        cluster.kubectl("patch", "serviceaccount", "default", "-n", namespace, "-p", patch)
        cluster.kubectl(
            "run", "ann", "-n", namespace, image, '--overrides={"spec":{"terminationGracePeriodSeconds":0}}'
        )
        cluster.kubectl("wait", "pod/ann", "-n", namespace, "--for=condition=Ready", "--timeout=60s", timeout=90)
        assert "Successfully pulled image" in cluster.kubectl("get", "events", "-n", namespace).stdout
        patch = '{"imagePullSecrets": null}'
        cluster.kubectl("patch", "serviceaccount", "default", "-n", namespace, "-p", patch)
        for policy, reason in (("IfNotPresent", "ImagePullBackOff"), ("Never", "ErrImageNeverPull")):
            name = f"late-{policy.lower()}"
            cluster.kubectl("run", name, "-n", namespace, image, f"--image-pull-policy={policy}")
            cluster.kubectl("wait", f"pod/{name}", "-n", namespace, f"--for=jsonpath={waiting}={reason}",
                            "--timeout=60s", timeout=90)  # fmt: skip
    finally:
        registry.stop()


def test_what_is_no_archive_is_refused(cluster: MinikCluster, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an archive")
    refused = cluster.minik("image", "load", "--name", cluster.name, str(tmp_path / "text"), check=False)
    assert refused.returncode == 1
    assert "archive" in refused.stderr
    assert "Traceback" not in refused.stderr
