"""Tells when files in a directory change: inotify(7), one instance for its owner.

Where the kernel gives no (more) instance, watchers are woken twice a second instead: slower, never silent.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path

from minikube_py.aio.clock import Clock, Timer
from minikube_py.linux import libc

_log = logging.getLogger(__name__)
_IN_MODIFY, _IN_MOVED, _IN_CREATE, _IN_DELETE = 0x2, 0xC0, 0x100, 0x200
_EVENT = struct.Struct("iIII")
_FALLBACK_SECONDS = 0.5


class DirectoryWatcher:
    """Calls back when something in a watched directory was written, made, renamed or removed."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._descriptor = -1
        self._callbacks: dict[int, dict[object, Callable[[], None]]] = {}
        self._fallback: dict[object, Timer] = {}

    def start(self) -> None:
        """Open the inotify instance."""
        try:
            self._descriptor = libc.call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC, operation="watch files")
        except OSError as error:
            _log.warning("%s: changes are seen with a delay", error)
            return
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def stop(self) -> None:
        """Close it. Callbacks are not called any more."""
        for timer in self._fallback.values():
            timer.cancel()
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        self._callbacks.clear()

    def watch(self, directory: Path, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` at every change in ``directory``. Returns what ends the watching."""
        key = object()
        try:
            number = self._add(directory)
        except OSError:
            self._repeat(key, callback)
            return lambda: self._fallback.pop(key).cancel()
        self._callbacks.setdefault(number, {})[key] = callback
        return lambda: self._forget(number, key)

    def _add(self, directory: Path) -> int:
        if self._descriptor < 0:
            raise OSError("no inotify instance")
        mask = _IN_MODIFY | _IN_MOVED | _IN_CREATE | _IN_DELETE
        path = ctypes.c_char_p(os.fsencode(directory))
        return libc.call("inotify_add_watch", self._descriptor, path, mask, operation=f"watch {directory}")

    def _forget(self, number: int, key: object) -> None:
        callbacks = self._callbacks.get(number)
        if callbacks is None:
            return
        callbacks.pop(key, None)
        if not callbacks:
            del self._callbacks[number]
            try:
                libc.call("inotify_rm_watch", self._descriptor, number, operation="end a watch")
            except OSError:
                pass  # the directory is gone, and its watch with it

    def _repeat(self, key: object, callback: Callable[[], None]) -> None:
        def fire() -> None:
            self._fallback[key] = self._clock.call_later(_FALLBACK_SECONDS, fire)
            callback()

        self._fallback[key] = self._clock.call_later(_FALLBACK_SECONDS, fire)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 64 * 1024)
        except BlockingIOError:
            return
        touched, offset = set(), 0
        while offset < len(data):
            number, _, _, length = _EVENT.unpack_from(data, offset)
            touched.add(number)
            offset += _EVENT.size + length
        for number in touched:
            for callback in list(self._callbacks.get(number, {}).values()):
                callback()
