"""Bad manifests are refused in the words that kubectl users know."""

from __future__ import annotations

import pytest

from tests.support.minik import MinikCluster

pytestmark = pytest.mark.e2e

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad}
spec:
  %s
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: c, image: minik.local/echo%s}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {type: NodePort, selector: {app: x}, ports: [{port: %s, nodePort: %s}]}
"""


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            DEPLOYMENT % ("selector: {matchLabels: {app: x}}\n  replicsa: 3", ""),
            'strict decoding error: unknown field "spec.replicsa"',
        ),
        (
            DEPLOYMENT % ("selector: {matchLabels: {app: other}}\n  replicas: three", ""),
            "cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (DEPLOYMENT % ("replicas: 1", ""), "spec.selector: Required value"),
        (
            DEPLOYMENT % ("selector: {matchLabels: {app: x}}", ""),
            "`selector` does not match template `labels`",
        ),
        (
            DEPLOYMENT % ("selector: {matchLabels: {app: other}}", ", ports: [{containerPort: 70000}]"),
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: "
            "must be between 1 and 65535, inclusive",
        ),
        (SERVICE % ("bad", 70000, 30100), "spec.ports[0].port: Invalid value: 70000"),
        (
            SERVICE % ("bad", 80, 99),
            "provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            SERVICE % ("bad", 80, 30177),
            "spec.ports[0].nodePort: Invalid value: 30177: provided port is already allocated",
        ),
    ],
)
def test_bad_manifests(cluster: MinikCluster, namespace: str, manifest: str, message: str) -> None:
    cluster.apply(SERVICE % ("taken", 80, 30177), namespace=namespace)
    refused = cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest, check=False)
    assert refused.returncode == 1
    assert message in refused.stderr
