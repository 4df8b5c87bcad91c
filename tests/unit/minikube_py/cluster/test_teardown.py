"""The end of a cluster, with the user's kubeconfigs as they may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest import MonkeyPatch

from minikube_py.cluster import kubeconfig
from minikube_py.cluster.paths import ClusterPaths
from minikube_py.cluster.teardown import KubeconfigKept, take_down

OURS: kubeconfig.Config = {
    "clusters": [{"name": "minik", "cluster": {}}],
    "users": [{"name": "minik", "user": {}}],
    "contexts": [{"name": "minik", "context": {}}],
    "current-context": "minik",
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: MonkeyPatch) -> list[Path]:
    """Three kubeconfigs of the user's, the last of which does not exist; and a cluster that left its directory."""
    found = [tmp_path / name for name in ("one", "two", "three")]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, found)))
    monkeypatch.setenv("MINIK_HOME", str(tmp_path / "m"))
    for path in found[:2]:
        kubeconfig.write(path, OURS)
    ClusterPaths.of("minik").root.mkdir(parents=True)
    return found


def test_the_context_goes_out_of_every_file_that_kubectl_reads(tmp_path: Path, files: list[Path]) -> None:
    assert take_down("minik")
    assert [kubeconfig.read(path).get("contexts") for path in files] == [[], [], None]
    assert not (tmp_path / "m").exists()
    assert not take_down("minik")


def test_a_kubeconfig_that_cannot_be_changed_keeps_no_cluster(tmp_path: Path, files: list[Path]) -> None:
    files[0].write_text("not a kubeconfig")
    with pytest.raises(KubeconfigKept, match="one is not a kubeconfig"):
        take_down("minik")
    assert not (tmp_path / "m").exists()
    assert kubeconfig.read(files[1])["contexts"] == []
