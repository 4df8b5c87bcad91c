"""Health endpoints: ``/healthz``, ``/livez`` and ``/readyz``, as a whole, check by check, and verbose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from apiserver.routes.request import RequestInfo
from apiserver.routes.responses import Answer

PATHS = ("healthz", "livez", "readyz")
TEXT = b"text/plain; charset=utf-8"

#: A check returns what is wrong, "" where nothing is.
Check = Callable[[], str]


class Health:
    """Answers for named checks. ``ready`` checks count for ``/readyz`` only."""

    def __init__(self, *, alive: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._checks = {"healthz": dict(alive), "livez": dict(alive), "readyz": {**alive, **ready}}

    def answer(self, info: RequestInfo, request: web.BaseRequest) -> Answer | None:
        """The answer to a health path, None for any other."""
        del request
        endpoint, _, name = info.path.strip("/").partition("/")
        checks = self._checks.get(endpoint)
        if checks is None:
            return None
        excluded = set(info.query.get("exclude", ()))
        if name:
            return self._single(checks, name)
        return _report(endpoint, {key: check() for key, check in checks.items() if key not in excluded}, info)

    @staticmethod
    def _single(checks: Mapping[str, Check], name: str) -> Answer:
        check = checks.get(name)
        if check is None:
            return Answer(404, b"404 page not found\n", TEXT)
        problem = check()
        return (
            Answer(500, f"internal server error: {problem}\n".encode(), TEXT) if problem else Answer(200, b"ok", TEXT)
        )


def _report(endpoint: str, problems: Mapping[str, str], info: RequestInfo) -> Answer:
    failed = any(problems.values())
    if not failed and "verbose" not in info.query:
        return Answer(200, b"ok", TEXT)
    lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in problems.items()]
    lines.append(f"{endpoint} check {'failed' if failed else 'passed'}\n")
    return Answer(500 if failed else 200, "\n".join(lines).encode(), TEXT)
