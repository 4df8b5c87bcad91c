"""``/containerLogs``: finds the attempt that is meant and streams its file."""

from __future__ import annotations

from aiohttp import web

from agent.filewatch import DirectoryWatcher
from agent.runtime.protocol import ContainerState, ContainerStatus
from agent.server.logs.cri import BadLogOptions, LogOptions, log_options
from agent.server.logs.reader import LogReader
from agent.server.pods import PodDirectory, container_names, pod_of, waiting_text
from minikube_py.aio.clock import Clock
from minikube_py.api.meta import name_of, uid_of
from minikube_py.api.types import Object


class LogHandler:
    """Serves container logs."""

    def __init__(self, *, pods: PodDirectory, watcher: DirectoryWatcher, clock: Clock) -> None:
        self._pods = pods
        self._watcher = watcher
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /containerLogs/{namespace}/{pod}/{container}"""
        pod, name = pod_of(self._pods, request), request.match_info["container"]
        if name not in container_names(pod):
            raise web.HTTPNotFound(text=f'container "{name}" not found in pod "{name_of(pod)}"')
        try:
            options = log_options(dict(request.query), self._clock.now())
        except BadLogOptions as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        status = self._attempt(pod, name, options)
        return await self._stream(request, pod, status, options)

    def _attempt(self, pod: Object, name: str, options: LogOptions) -> ContainerStatus:
        """The attempt whose log is asked for. Raises HTTPBadRequest in the kubelet's words."""
        attempts = self._pods.observed(uid_of(pod)).attempts(name)
        made = [one for one in attempts if one.state is not ContainerState.CREATED]
        if options.previous:
            ended = made[1:] if made else []
            if not ended:
                text = f'previous terminated container "{name}" in pod "{name_of(pod)}" not found'
                raise web.HTTPBadRequest(text=text)
            return ended[0]
        if not made:
            raise web.HTTPBadRequest(text=waiting_text(pod, name))
        return made[0]

    async def _stream(
        self, request: web.Request, pod: Object, status: ContainerStatus, options: LogOptions
    ) -> web.StreamResponse:
        path = status.log_path or self._pods.log_file(pod, status.name, status.attempt)
        uid = uid_of(pod)

        def is_running() -> bool:
            attempts = self._pods.observed(uid).attempts(status.name)
            now = next((one for one in attempts if one.id == status.id), None)
            return now is not None and now.state is ContainerState.RUNNING

        reader = LogReader(path, options, watcher=self._watcher, is_running=is_running)
        unsubscribe = self._pods.subscribe(lambda changed: reader.wake() if changed == uid else None)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        try:
            await response.prepare(request)
            async for piece in reader.read():
                await response.write(piece)
        except FileNotFoundError:
            pass  # a container that never wrote a line has no log to show
        finally:
            unsubscribe()
        await response.write_eof()
        return response
