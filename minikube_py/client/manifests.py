"""Objects out of YAML and JSON text, as ``kubectl apply -f`` reads it: several documents, lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from minikube_py.api.types import Object


class ManifestFault(ValueError):
    """The text holds something that is no Kubernetes object; says where."""


def parse_manifests(source: str, text: str) -> Iterator[Object]:
    """Every object in ``text``, in order. ``source`` is named in what is raised: ManifestFault."""
    try:
        documents: list[Any] = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        raise ManifestFault(f"{source}: {error}") from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
            raise ManifestFault(f"{source}: not a Kubernetes object: apiVersion and kind are needed")
        if document["kind"] == "List":
            yield from document.get("items") or []
        else:
            yield document
