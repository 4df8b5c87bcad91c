"""Who a container's process is: user and groups, capabilities, resource limits, environment.

Reads the container's own /etc/passwd and /etc/group, after the root was changed. Standard library only.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.runtime.process.model import UserConfig
from minikube_py.linux import namespaces, process, seccomp

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class UnknownUser(Exception):
    """The image or the pod names a user that the container does not have."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A resolved user."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def resolve_user(config: UserConfig, *, passwd: str = "/etc/passwd", group: str = "/etc/group") -> Identity:
    """The ids to run as: the pod's numbers first, then the image's ``user[:group]``, then root. Raises UnknownUser."""
    wanted, _, wanted_group = config.user.partition(":")
    key = str(config.uid) if config.uid is not None else wanted or "0"
    entry = next((row for row in _rows(passwd, 7) if key in (row[0], row[2])), None)
    if entry is None and not key.isdigit():
        raise UnknownUser(f"unable to find user {key}: no matching entries in passwd file")
    uid = int(entry[2]) if entry else int(key)
    gid = int(entry[3]) if entry else 0
    if config.gid is not None:
        gid = config.gid
    elif wanted_group and config.uid is None:
        gid = _group_id(wanted_group, group)
    member_of = [int(row[2]) for row in _rows(group, 4) if entry and entry[0] in row[3].split(",")]
    return Identity(uid, gid, tuple(dict.fromkeys([*config.groups, *member_of])), entry[5] if entry else "/")


def take_on(identity: Identity, config: UserConfig, *, many_ids: bool) -> None:
    """Becomes ``identity`` with the capabilities it may have, for good. Raises OSError, ValueError (capabilities).

    In a user namespace with a single id there is nobody else to become: a nested user namespace shows that id as the
    wanted one, and groups cannot be had.
    """
    keep = capabilities_of(config)
    if many_ids:
        os.setgroups(identity.groups)
    elif (identity.uid, identity.gid) != (0, 0):
        _rename_only_id(identity)
    if config.seccomp:
        seccomp.install(seccomp.default_filter(keep))  # while CAP_SYS_ADMIN is there: it needs no no_new_privs then
    process.drop_bounding(keep)
    if many_ids:
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    process.set_capabilities(keep & process.effective_capabilities() if identity.uid == 0 else 0)
    if config.no_new_privileges:
        process.no_new_privileges()


def capabilities_of(config: UserConfig) -> int:
    """The capabilities a container may ever have: the engines' default, less what is dropped, plus what is added."""
    if config.privileged:
        return process.capability_mask(["ALL"])
    base = process.capability_mask(process.DEFAULT_CAPABILITIES)
    return base & ~process.capability_mask(config.drop_capabilities) | process.capability_mask(config.add_capabilities)


def environment(given: Mapping[str, str], *, home: str, hostname: str, tty: bool) -> dict[str, str]:
    """``given`` completed by what every container has."""
    usual = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": home}
    if tty:
        usual["TERM"] = "xterm"
    return {**usual, **given}


def limit_files(soft: int) -> None:
    """Gives back the host's own soft limit of descriptors, which the machine has raised for itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard) if hard != resource.RLIM_INFINITY else soft, hard))


def _rename_only_id(identity: Identity) -> None:
    namespaces.unshare(namespaces.CLONE_NEWUSER)
    for name, text in (("uid_map", f"{identity.uid} 0 1"), ("gid_map", f"{identity.gid} 0 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _group_id(name: str, path: str) -> int:
    entry = next((row for row in _rows(path, 4) if name in (row[0], row[2])), None)
    if entry is None and not name.isdigit():
        raise UnknownUser(f"unable to find group {name}: no matching entries in group file")
    return int(entry[2]) if entry else int(name)


def _rows(path: str, columns: int) -> Iterator[list[str]]:
    """The well-formed lines of a passwd or group file; an image may have none."""
    try:
        with open(path, errors="replace") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError:
        return
    for line in lines:
        row = line.split(":")
        if len(row) >= columns and row[2].isdigit() and (columns < 7 or row[3].isdigit()):
            yield row
