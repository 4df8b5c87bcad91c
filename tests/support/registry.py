"""A real image registry on the loopback: Debian's docker-registry, filled by the tests."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.minik import eventually

#: What `htpasswd -B` writes for the user "ann" with the password "secret".
_HTPASSWD = "ann:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@dataclass
class Registry:
    """One registry process. ``restricted``: only ann, whose password is "secret", may use it."""

    directory: Path
    restricted: bool = False
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Skips where there is no docker-registry."""
        program = shutil.which("docker-registry")
        if program is None:
            pytest.skip("no registry: install Debian's docker-registry")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", self.port))
            self.port = probe.getsockname()[1]
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.address},
        }
        if self.restricted:
            (self.directory / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.directory / "htpasswd")}}
        (self.directory / "config.yml").write_text(json.dumps(config))
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [program, "serve", str(self.directory / "config.yml")], stdout=log, stderr=log
            )
        eventually(self._answers, within=60, what="the registry to listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def push(self, name: str, layers: list[bytes], config: dict[str, Any], *, platform: str = "") -> str:
        """Puts an image there (with ``platform`` behind an index) and returns the digest of what the tag names."""
        diff_ids = [_digest(layer) for layer in layers]
        body = json.dumps({"architecture": "amd64", "os": "linux", "config": config,
                           "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()  # fmt: skip
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": self._blob(name, body, "application/vnd.docker.container.image.v1+json"),
            "layers": [self._blob(name, each, "application/vnd.docker.image.rootfs.diff.tar") for each in layers],
        }
        repository, _, tag = name.partition(":")
        if not platform:
            return self._manifest(repository, tag, manifest)
        digest = self._manifest(repository, _digest(json.dumps(manifest).encode()), manifest)
        entry = {"mediaType": manifest["mediaType"], "digest": digest, "size": len(json.dumps(manifest))}
        os_name, _, architecture = platform.partition("/")
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
            "manifests": [{**entry, "platform": {"os": os_name, "architecture": architecture}}],
        }
        return self._manifest(repository, tag, index)

    def blob_file(self, digest: str) -> Path:
        """Where the registry keeps a blob."""
        value = digest.removeprefix("sha256:")
        return self.directory / "data/docker/registry/v2/blobs/sha256" / value[:2] / value / "data"

    def _manifest(self, repository: str, reference: str, content: dict[str, Any]) -> str:
        data = json.dumps(content).encode()
        self._ask("PUT", f"/v2/{repository}/manifests/{reference}", data, content["mediaType"])
        return _digest(data)

    def _blob(self, name: str, data: bytes, kind: str) -> dict[str, Any]:
        repository = name.partition(":")[0]
        place = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        joint = "&" if "?" in place else "?"
        self._ask("PUT", f"{place}{joint}digest={_digest(data)}", data, "application/octet-stream")
        return {"mediaType": kind, "size": len(data), "digest": _digest(data)}

    def _ask(self, method: str, path: str, data: bytes = b"", kind: str = "") -> str:
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        headers = {"Content-Type": kind} if kind else {}
        if self.restricted:
            headers["Authorization"] = "Basic " + base64.b64encode(b"ann:secret").decode()
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return str(response.headers.get("Location") or "")

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "log").read_text())
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def pull_secret(registry: Registry, password: str = "secret") -> dict[str, Any]:
    """A Secret of type kubernetes.io/dockerconfigjson for ann."""
    document = json.dumps({"auths": {registry.address: {"username": "ann", "password": password}}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "ann"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(document.encode()).decode()},
    }


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
