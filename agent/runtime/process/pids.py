"""What the machine calls pid 7 has another number here: the two live in different pid namespaces."""

from __future__ import annotations


class HostPids:
    """Our numbers of the machine's children, by container id. Found once per container, through /proc."""

    def __init__(self) -> None:
        self.machine_pid = 0
        self._known: dict[str, int] = {}

    def of(self, container_id: str, inner: int) -> int | None:
        """Our number of the child that the machine knows as ``inner``; None where it has just ended."""
        if container_id not in self._known:
            found = self._find(inner)
            if found is None:
                return None
            self._known[container_id] = found
        return self._known[container_id]

    def forget(self, container_id: str) -> None:
        self._known.pop(container_id, None)

    def clear(self) -> None:
        self._known.clear()

    def _find(self, inner: int) -> int | None:
        for child in _text(f"/proc/{self.machine_pid}/task/{self.machine_pid}/children").split():
            numbers = _own_numbers(int(child))
            depth = len(_own_numbers(self.machine_pid)) - 1
            if len(numbers) > depth and numbers[depth] == inner:
                return int(child)
        return None


def _own_numbers(pid: int) -> list[int]:
    """NSpid of /proc/PID/status: the process' numbers from our pid namespace inwards."""
    for line in _text(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return []


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
