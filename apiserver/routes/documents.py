"""Everything served that is not a resource: ``/version``, discovery and OpenAPI."""

from __future__ import annotations

import platform

import orjson
from aiohttp import web

from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer
from apiserver.schema.schema import Schema
from minikube_py.api.resources import KUBERNETES_VERSION, ResourceTable


def version_document() -> bytes:
    """The body of ``/version``."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return orjson.dumps(
        {
            "major": major,
            "minor": minor,
            "emulationMajor": major,
            "emulationMinor": minor,
            "gitVersion": KUBERNETES_VERSION,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": f"python{platform.python_version()}",
            "compiler": platform.python_implementation(),
            "platform": f"linux/{'amd64' if platform.machine() == 'x86_64' else platform.machine()}",
        }
    )


class Documents:
    """Answers for paths outside the resources."""

    def __init__(self, table: ResourceTable, schema: Schema) -> None:
        self._table = table
        self._schema = schema
        self._version = version_document()

    def answer(self, info: RequestInfo, request: web.BaseRequest) -> Answer | None:
        """The document at a path, None where there is none."""
        del request
        if info.path.rstrip("/") == "/version":
            return Answer(200, self._version)
        return None
