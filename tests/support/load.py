"""A steady, bounded load of new connections on one URL, remembering every answer and every failure with its time."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

from minikube_py.linux.namespaces import CLONE_NEWNET, setns

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: when it began and ended (monotonic seconds), and what came of it."""

    began: float
    ended: float
    answer: str = ""
    error: str = ""


class Load:
    """Requests from a few threads while the block runs, each on a connection of its own.

    ``process``: they come from the network namespace that this process lives in.
    """

    def __init__(self, url: str, *, threads: int = 4, pause: float = 0.01, process: int | None = None) -> None:
        parts = urlsplit(url)
        self._address, self._path = (parts.hostname or "", parts.port or 80), parts.path
        self._pause = pause
        self._process = process
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"load-{number}") for number in range(threads)]
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.error]

    def answers_since(self, moment: float) -> set[str]:
        """Who answered requests that began after ``moment``."""
        return {outcome.answer for outcome in self.outcomes if outcome.began > moment and outcome.answer}

    def wait_for(self, requests: int) -> None:
        """Until that many more requests have ended."""
        wanted = len(self.outcomes) + requests
        while len(self.outcomes) < wanted:
            time.sleep(0.01)

    def _run(self) -> None:
        if self._process is not None:
            with open(f"/proc/{self._process}/ns/net") as namespace:
                setns(namespace.fileno(), CLONE_NEWNET)
        while not self._stop.is_set():
            self.outcomes.append(self._request())
            self._stop.wait(self._pause)

    def _request(self) -> Outcome:
        began = time.monotonic()
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)
        try:
            connection.request("GET", self._path, headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read().decode().strip()
            error = "" if response.status == 200 else f"status {response.status}"
            return Outcome(began, time.monotonic(), body, error)
        except (OSError, http.client.HTTPException) as error:
            return Outcome(began, time.monotonic(), error=repr(error))
        finally:
            connection.close()
