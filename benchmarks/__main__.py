"""``python -m benchmarks``: what can be measured here. ``python -m benchmarks all`` measures it all, one by one."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: Parts of other commands, not commands.
_PARTS = {"holds", "processes", "rollout", "__main__"}


def commands() -> dict[str, str]:
    """The benchmarks, each with the first sentence of what it says of itself."""
    found = {}
    for module in pkgutil.iter_modules([str(HERE)]):
        path = HERE / module.name / "__main__.py" if module.ispkg else HERE / f"{module.name}.py"
        if module.name not in _PARTS and path.exists():
            words = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[module.name] = words.splitlines()[0]
    return found


def main(names: list[str]) -> int:
    """The highest exit status of the benchmarks that were asked for."""
    known = commands()
    if not names:
        for name, words in known.items():
            print(f"python -m benchmarks.{name:20} {words}")
        return 0
    if unknown := [name for name in names if name != "all" and name not in known]:
        print(f"no such benchmark: {', '.join(unknown)}", file=sys.stderr)
        return 2
    chosen = list(known) if "all" in names else names
    return max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode for name in chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
