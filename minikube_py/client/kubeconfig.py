"""Kubeconfig files: which cluster, as whom. Reads what kubectl reads; writing them is ``cluster``'s business."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from minikube_py.client.access import Access, TokenFile, TokenSource, in_memory_file


class KubeconfigFault(Exception):
    """The kubeconfig does not lead to a cluster; the message says which part is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Context:
    """A chosen context: how to reach its cluster, and its default namespace."""

    name: str
    access: Access
    namespace: str = "default"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named entry and the folder that its relative paths start from."""

    body: Mapping[str, Any]
    folder: Path


def kubeconfig_paths(environment: Mapping[str, str]) -> list[Path]:
    """The files that kubectl would read: those of $KUBECONFIG, else ``~/.kube/config``."""
    listed = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"]


def load_kubeconfig(paths: Sequence[Path], context: str | None = None) -> Context:
    """The context named ``context``, or the current one, of the merged files. The first file to name a thing wins.

    Files that do not exist are passed over. Raises KubeconfigFault.
    """
    merged = _Merged()
    for path in paths:
        if path.exists():
            merged.add(path)
    name = context or merged.current
    if not name:
        raise KubeconfigFault(f"no current context in {', '.join(map(str, paths))}")
    chosen = merged.entry("contexts", "context", name).body
    cluster = merged.entry("clusters", "cluster", str(chosen.get("cluster") or ""))
    user_name = str(chosen.get("user") or "")
    user = merged.entry("users", "user", user_name) if user_name else _Entry({}, Path())
    server = str(cluster.body.get("server") or "")
    if not server:
        raise KubeconfigFault(f"context {name!r}: its cluster has no server")
    tls = _tls(cluster, user) if server.startswith("https") else None
    return Context(name, Access(server, tls, _token(user, user_name)), str(chosen.get("namespace") or "default"))


class _Merged:
    """Several kubeconfig files as one."""

    def __init__(self) -> None:
        self.current = ""
        self._entries: dict[tuple[str, str], _Entry] = {}

    def add(self, path: Path) -> None:
        try:
            document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader) or {}
        except (OSError, yaml.YAMLError) as error:
            raise KubeconfigFault(f"{path}: {error}") from error
        if not isinstance(document, dict):
            raise KubeconfigFault(f"{path}: no kubeconfig")
        self.current = self.current or str(document.get("current-context") or "")
        for kind, key in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
            for named in document.get(kind) or ():
                entry = _Entry(named.get(key) or {}, path.parent)
                self._entries.setdefault((kind, str(named.get("name"))), entry)

    def entry(self, kind: str, word: str, name: str) -> _Entry:
        found = self._entries.get((kind, name))
        if found is None:
            raise KubeconfigFault(f"the kubeconfig has no {word} {name!r}")
        return found


def _data(entry: _Entry, key: str) -> bytes | None:
    """What is under ``key-data`` (base64), or in the file that ``key`` names."""
    inline = entry.body.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(str(inline), validate=True)
        except binascii.Error as error:
            raise KubeconfigFault(f"{key}-data is not base64: {error}") from error
    named = entry.body.get(key)
    if not named:
        return None
    try:
        return (entry.folder / str(named)).read_bytes()
    except OSError as error:
        raise KubeconfigFault(f"{key}: {error}") from error


def _tls(cluster: _Entry, user: _Entry) -> ssl.SSLContext:
    authority = _data(cluster, "certificate-authority")
    certificate, key = _data(user, "client-certificate"), _data(user, "client-key")
    try:
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
        if cluster.body.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate and key:
            with in_memory_file(certificate) as certificate_path, in_memory_file(key) as key_path:
                context.load_cert_chain(certificate_path, key_path)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise KubeconfigFault(f"unusable certificate or key: {error}") from error
    return context


def _token(user: _Entry, name: str) -> TokenSource | None:
    body = user.body
    for unsupported in ("exec", "auth-provider", "username"):
        if body.get(unsupported):
            raise KubeconfigFault(f"user {name!r} authenticates by {unsupported!r}, which minik does not support")
    if body.get("token"):
        token = str(body["token"])
        return lambda: token
    if body.get("tokenFile"):
        return TokenFile(user.folder / str(body["tokenFile"]))
    return None
