"""``/logs/``: the node's log files to leaf through, as a kubelet shows its ``/var/log`` (enableSystemLogHandler).

Of a node as small as ours these are the files of its containers: ``/logs/pods/NAMESPACE_POD_UID/CONTAINER/N.log``.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

_INDEX = (
    '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n<a href="pods/">pods/</a>\n</pre>\n'
)


def add_log_directory(app: web.Application, pod_logs: Path) -> None:
    """Serves the directory of the pods' logs, which is made where it is missing. Raises OSError."""
    pod_logs.mkdir(parents=True, exist_ok=True)
    app.router.add_get("/logs/", _index)
    app.router.add_static("/logs/pods", pod_logs, show_index=True)


async def _index(_: web.Request) -> web.Response:
    return web.Response(text=_INDEX, content_type="text/html")
