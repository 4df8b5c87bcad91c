"""Checks of file paths inside volumes."""

from __future__ import annotations

from apiserver.registry.checks import Errors
from minikube_py.api.fields import invalid


def no_backsteps(target: str, path: str, errors: Errors) -> None:
    """A path without ``..``."""
    if ".." in target.split("/"):
        errors.append(invalid(path, target, "must not contain '..'"))


def local_descending(target: str, path: str, errors: Errors) -> None:
    """A relative path without ``..``."""
    if target.startswith("/"):
        errors.append(invalid(path, target, "must be a relative path"))
    no_backsteps(target, path, errors)


def local_non_reserved(target: str, path: str, errors: Errors) -> None:
    """A relative path that does not start with ``..``: such names belong to atomic updates."""
    local_descending(target, path, errors)
    if target.startswith("..") and not target.startswith("../"):
        errors.append(invalid(path, target, "must not start with '..'"))
