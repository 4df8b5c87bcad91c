"""Fetches Docker Compose 2 for the tests, as one static program, out of Debian's own packages.

Debian 12 has only Compose 1; Debian 13's package holds a Go program that runs anywhere. It comes from the mirror
that this machine uses, is checked by apt against Debian's keys, is unpacked, not installed.

    python tools/fetch_compose.py DIRECTORY        # DIRECTORY/docker-compose
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_PROGRAM = "usr/libexec/docker/cli-plugins/docker-compose"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def fetch(target: Path) -> None:
    """Put the program into ``target``. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "archives" / "partial").mkdir(parents=True)
        (work / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_mirror()} trixie main\n")
        apt = ["apt-get", "-q", *_options(work)]
        subprocess.run([*apt, "update"], check=True, stdout=sys.stderr)
        subprocess.run([*apt, "download", "docker-compose"], check=True, cwd=work, stdout=sys.stderr)
        subprocess.run(["dpkg-deb", "-x", str(next(work.glob("*.deb"))), str(work / "root")], check=True)
        shutil.copy2(work / "root" / _PROGRAM, target / "docker-compose")


def _options(work: Path) -> list[str]:
    """Nothing of the machine's own apt is read or changed."""
    values = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work,
        "APT::Sandbox::User": "root",
    }
    return [word for key, value in values.items() for word in ("-o", f"{key}={value}")]


def _mirror() -> str:
    """The Debian mirror of this machine."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / "docker-compose").exists():
        fetch(directory)
