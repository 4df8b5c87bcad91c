"""What the machine calls pid 7 has another number here: the two live in different pid namespaces."""

from __future__ import annotations


class HostPids:
    """Our numbers of the machine's children, by container id. Found through /proc, where each child is read once."""

    def __init__(self) -> None:
        self.machine_pid = 0
        self._known: dict[str, int] = {}
        self._children: dict[int, int] = {}

    def of(self, container_id: str, inner: int) -> int | None:
        """Our number of the child that the machine knows as ``inner``; None where it has just ended."""
        if container_id not in self._known:
            found = self._find(inner)
            if found is None:
                return None
            self._known[container_id] = found
        return self._known[container_id]

    def forget(self, container_id: str) -> None:
        self._children.pop(self._known.pop(container_id, 0), None)

    def clear(self) -> None:
        self._known.clear()
        self._children.clear()

    def _find(self, inner: int) -> int | None:
        """Children that have ended give their numbers back: only those that are there now count."""
        there = [int(pid) for pid in _text(f"/proc/{self.machine_pid}/task/{self.machine_pid}/children").split()]
        known, self._children = self._children, {}
        depth = 0
        for child in there:
            if child not in known:
                depth = depth or len(_own_numbers(self.machine_pid)) - 1
                numbers = _own_numbers(child)
                known[child] = numbers[depth] if len(numbers) > depth else 0
            self._children[child] = known[child]
        return next((child for child, number in self._children.items() if number == inner), None)


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
