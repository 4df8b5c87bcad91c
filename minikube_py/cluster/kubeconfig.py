"""The user's kubeconfig: our context is merged in and taken out again, the rest stays as it was.

The file is read and written as kubectl does (``clientcmd``): the first of ``$KUBECONFIG``, else ``~/.kube/config``;
guarded by the same ``.lock`` file; replaced atomically. Our entries are taken out of every file that kubectl reads.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from minikube_py.config.parts import KeyPair

Config = dict[str, Any]
_SECTIONS = ("clusters", "users", "contexts")


class KubeconfigBusy(Exception):
    """Another program holds the kubeconfig's lock file."""


def user_kubeconfigs() -> list[Path]:
    """The files that kubectl reads, the one that ``kubectl config`` would change first."""
    listed = [Path(path).absolute() for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return listed or [Path.home() / ".kube" / "config"]


def user_kubeconfig() -> Path:
    """The file that ``kubectl config`` would change."""
    return user_kubeconfigs()[0]


def render(name: str, server: str, ca: Path, client: KeyPair) -> Config:
    """A kubeconfig with one cluster, user and context called ``name``; certificates inline, to be copied freely."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"certificate-authority-data": _inline(ca), "server": server}},
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _inline(client.certificate),
                    "client-key-data": _inline(client.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def merged(existing: Config, ours: Config) -> Config:
    """``existing`` with our entries in place of those of the same name, and our context current."""
    result = {"apiVersion": "v1", "kind": "Config", "preferences": {}, **existing}
    for section in _SECTIONS:
        names = {entry["name"] for entry in ours[section]}
        kept = [entry for entry in result.get(section) or [] if entry.get("name") not in names]
        result[section] = [*kept, *ours[section]]
    result["current-context"] = ours["current-context"]
    return result


def without(existing: Config, name: str) -> Config:
    """``existing`` without the entries called ``name``; no context is current if it was ours."""
    result = dict(existing)
    for section in _SECTIONS:
        if section in result:
            result[section] = [entry for entry in result[section] or [] if entry.get("name") != name]
    if result.get("current-context") == name:
        result["current-context"] = ""
    return result


def add_to(path: Path, ours: Config) -> None:
    """Merge ``ours`` into the file. Raises KubeconfigBusy, ValueError for a file that is not a kubeconfig."""
    _change(path, lambda existing: merged(existing, ours))


def remove_from(path: Path, name: str) -> None:
    """Take the entries called ``name`` out of the file, if there is one that has them."""
    if path.exists() and any(entry.get("name") == name for entry in read(path).get("contexts") or []):
        _change(path, lambda existing: without(existing, name))


def read(path: Path) -> Config:
    """The file's content, {} where there is none."""
    try:
        content = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not _is_config(content):
        raise ValueError(f"{path} is not a kubeconfig")
    config: Config = content
    return config


def _is_config(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    entries = [content.get(section) or [] for section in _SECTIONS]
    return all(isinstance(each, list) and all(isinstance(one, dict) for one in each) for each in entries)


def server_of(path: Path) -> str:
    """The URL of the file's first cluster, "" where there is none yet. Raises ValueError."""
    clusters = read(path).get("clusters") or [{}]
    return str((clusters[0].get("cluster") or {}).get("server") or "")


def write(path: Path, config: Config) -> None:
    """Replace the file in one step; only the owner may read it. A symbolic link is followed, not replaced."""
    target = path.resolve()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            yaml.dump(config, file, Dumper=yaml.CSafeDumper, sort_keys=False)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _change(path: Path, change: Callable[[Config], Config]) -> None:
    with _locked(path):
        write(path, change(read(path)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """kubectl's own protocol: whoever creates ``<file>.lock`` may write."""
    lock = path.with_name(f"{path.name}.lock")
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise KubeconfigBusy(f"{path} is locked by another program; if none runs, remove {lock}") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
