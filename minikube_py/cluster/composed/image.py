"""The image of compose.yaml, made out of this machine: no registry, no base image, the same bytes every time.

The image holds a Python interpreter with its standard library, minik with the packages it needs, and a small set of
tools (for health checks, and for pods of minik.local/host), each with the shared libraries that ldd(1) names. The
interpreter that runs this must have minik installed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("minikube_py", "apiserver", "agent")
PROGRAMS = (
    "sh", "cat", "ls", "cp", "mv", "rm", "mkdir", "chmod", "chown", "ln", "touch", "echo", "printf", "true", "false",
    "test", "env", "id", "sleep", "date", "head", "tail", "seq", "wc", "sort", "uniq", "tr", "cut", "grep", "sed",
    "hostname", "kill", "ps", "stty", "tty", "nc", "curl", "ip", "ss", "nsenter", "getent", "timeout", "dd", "tee",
)  # fmt: skip
#: Parts of the standard library that a server never imports.
_UNUSED = re.compile(r"(^|/)(test|tests|idlelib|lib2to3|tkinter|ensurepip|distutils|pydoc_data|turtledemo|__pycache__"
                     r"|config-[^/]*|sitecustomize\.py|EXTERNALLY-MANAGED)(/|$)")  # fmt: skip
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TOP_LINKS = ("bin", "sbin", "lib", "lib64")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nminik:x:65532:65532:minik:/var/lib/minik:/bin/sh\n"
_LAUNCHER = """#!/usr/bin/python3
import sys
from minikube_py.cli.main import main
sys.exit(main())
"""


@dataclass
class Tree:
    """Files and links of the image, by path without a leading slash. Directories follow from them."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.files[path.lstrip("/")] = (data, mode)

    def copy(self, source: Path, path: str) -> None:
        self.add(path, source.read_bytes(), 0o755 if os.access(source, os.X_OK) else 0o644)

    def tar(self) -> bytes:
        """In order of path, owned by root, made in 1970."""
        directories = {parent for path in (*self.files, *self.links, *self.directories) for parent in _parents(path)}
        everything = sorted({*directories, *self.directories, *self.files, *self.links})
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in everything:
                self._put(archive, path)
        return buffer.getvalue()

    def _put(self, archive: tarfile.TarFile, path: str) -> None:
        info = tarfile.TarInfo(path)
        if path in self.files:
            data, info.mode = self.files[path]
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        elif path in self.links:
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, self.links[path], 0o777
            archive.addfile(info)
        else:
            info.type, info.mode = tarfile.DIRTYPE, self.directories.get(path, 0o755)
            archive.addfile(info)


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def fingerprint() -> str:
    """What the image is made of, in twelve digits: the interpreter, minik's own files, the packages it needs.

    Told by names, sizes and times, so that a command can ask for it every time.
    """
    told = hashlib.sha256(f"{sys.version} {platform.machine()}".encode())
    for name in sorted(_required("minikube-py", set())):
        told.update(f"{name} {metadata.version(name)}\n".encode())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and not _UNUSED.search(str(path.relative_to(ROOT))):
                facts = path.stat()
                told.update(f"{path.relative_to(ROOT)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return told.hexdigest()[:12]


def build() -> bytes:
    """The layer."""
    tree = Tree()
    _base(tree)
    interpreter = Path(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))
    programs = [interpreter, *(Path(found) for name in PROGRAMS if (found := shutil.which(name)))]
    library = Path(sysconfig.get_paths()["stdlib"])
    site = subprocess.run(
        [str(interpreter), "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    binaries = list(programs)
    for program in programs:
        tree.copy(program.resolve(), _real(program))
    tree.links["usr/bin/python3"] = os.path.relpath(interpreter, "/usr/bin")
    binaries += _copy_tree(tree, library, str(library))
    for source, target in _distributions():
        binaries += _copy_one(tree, source, f"{site}/{target}")
    for package in PACKAGES:
        binaries += _copy_tree(tree, ROOT / package, f"{site}/{package}")
    tree.add("usr/bin/minik", _LAUNCHER.encode(), 0o755)
    _libraries(tree, binaries)
    _compile(tree)
    return tree.tar()


def _base(tree: Tree) -> None:
    tree.directories |= {"proc": 0o555, "sys": 0o555, "dev": 0o755, "run": 0o755, "root": 0o700, "tmp": 0o1777,
                         "var/tmp": 0o1777, "var/lib/minik": 0o755, "etc": 0o755}  # fmt: skip
    for name in _TOP_LINKS:
        if os.path.islink(f"/{name}"):
            tree.links[name] = os.readlink(f"/{name}")
    tree.add("etc/passwd", _PASSWD.encode())
    tree.add("etc/group", b"root:x:0:\nminik:x:65532:\n")
    tree.add("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    tree.add("etc/os-release", b'ID=minik\nNAME="minik"\nPRETTY_NAME="minik (container)"\n')
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        tree.add(str(bundle), bundle.read_bytes())


def _copy_tree(tree: Tree, source: Path, target: str) -> list[Path]:
    """Copies a directory and returns the shared objects in it."""
    binaries = []
    for path in sorted(source.rglob("*")):
        name = str(path.relative_to(source))
        if path.is_file() and not _UNUSED.search(name):
            binaries += _copy_one(tree, path, f"{target}/{name}")
    return binaries


def _copy_one(tree: Tree, source: Path, target: str) -> list[Path]:
    tree.copy(source, target)
    return [source] if ".so" in source.suffixes else []


def _distributions() -> Iterator[tuple[Path, str]]:
    """The files of minik's distribution and of all that it requires, and their places below site-packages."""
    for name in sorted(_required("minikube-py", set())):
        for file in metadata.files(name) or ():
            path = Path(str(file.locate()))
            inside = ".." not in file.parts and not file.parts[0].startswith("__editable__")
            if (
                inside
                and path.is_file()
                and not _UNUSED.search(str(file))
                and file.name not in ("RECORD", "direct_url.json")
            ):
                yield path, str(file)


def _required(name: str, seen: set[str]) -> set[str]:
    """The installed distributions that ``name`` needs: one that is not here is for another kind of machine."""
    try:
        requirements = metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return seen
    if name.lower() not in seen:
        seen.add(name.lower())
        for text in requirements:
            wanted, _, marker = text.partition(";")
            if "extra" not in marker and (match := _DISTRIBUTION.match(wanted)):
                _required(match[0], seen)
    return seen


def _libraries(tree: Tree, binaries: Iterable[Path]) -> None:
    told = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True).stdout
    for found in sorted(set(re.findall(r"(/[^\s:]+\.so[^\s:]*) \(", told))):
        path = Path(found)
        if _real(path).lstrip("/") not in tree.files:
            tree.copy(path.resolve(), _real(path))


def _real(path: Path) -> str:
    """The path with the links of its directories followed, and its own name kept."""
    return f"{os.path.realpath(path.parent)}/{path.name}"


def _compile(tree: Tree) -> None:
    """Byte code that is never checked against its source: a container starts without compiling anything.

    In processes of its own, one for all: what marshal writes depends on what else an interpreter has seen.
    """
    sources = sorted(path for path in tree.files if path.endswith(".py"))
    program = (
        "import sys, marshal, importlib.util\n"
        "read, write = sys.stdin.buffer, sys.stdout.buffer\n"
        "while head := read.readline():\n"
        "    path, size = head.decode().rsplit(' ', 1)\n"
        "    try:\n"
        "        code = marshal.dumps(compile(read.read(int(size)), '/' + path, 'exec', dont_inherit=True))\n"
        "    except SyntaxError:\n"
        "        code = b''\n"
        "    write.write(b'%d\\n' % len(code) + code)\n"
    )
    given = b"".join(f"{path} {len(tree.files[path][0])}\n".encode() + tree.files[path][0] for path in sources)
    environment = {"PYTHONHASHSEED": "0", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-I", "-W", "ignore", "-c", program]
    told = io.BytesIO(subprocess.run(command, input=given, capture_output=True, check=True, env=environment).stdout)
    from importlib.util import MAGIC_NUMBER, source_hash

    for path in sources:
        code = told.read(int(told.readline()))
        if code:
            head = MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(tree.files[path][0])
            folder, _, name = path.rpartition("/")
            cached = f"{folder}/__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
            tree.add(cached, head + code)


def archive(layer: bytes, tag: str) -> bytes:
    """The ``docker save`` archive around the layer."""
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": ["/usr/bin/minik"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "MINIK_HOME=/var/lib/minik",
                    "HOME=/tmp", "PYTHONUNBUFFERED=1"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }  # fmt: skip
    data = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(data).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    outer = Tree()
    for path, content in {"layer.tar": layer, name: data, "manifest.json": manifest}.items():
        outer.add(path, content)
    return outer.tar()
