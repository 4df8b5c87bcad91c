"""Users, groups, capabilities and the usual environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.runtime.process import identity
from agent.runtime.process.model import UserConfig
from minikube_py.linux import process

PASSWD = "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\nbroken\nbad:x:y:z::/:\n"
GROUP = "root:x:0:\nwww:x:34:\ndisk:x:6:web,other\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "passwd").write_text(PASSWD)
    (tmp_path / "group").write_text(GROUP)
    return {"passwd": str(tmp_path / "passwd"), "group": str(tmp_path / "group")}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (UserConfig(), (0, 0, (), "/root")),
        (UserConfig(user="web"), (33, 34, (6,), "/srv")),
        (UserConfig(user="33"), (33, 34, (6,), "/srv")),
        (UserConfig(user="web:disk"), (33, 6, (6,), "/srv")),
        (UserConfig(user="web:99"), (33, 99, (6,), "/srv")),
        (UserConfig(user="4321"), (4321, 0, (), "/")),
        (UserConfig(user="web", uid=0), (0, 0, (), "/root")),
        (UserConfig(user="web:disk", uid=5), (5, 0, (), "/")),
        (UserConfig(uid=5, gid=6, groups=[7, 8, 7]), (5, 6, (7, 8), "/")),
    ],
)
def test_users(config: UserConfig, expected: tuple[int, int, tuple[int, ...], str], files: dict[str, str]) -> None:
    who = identity.resolve_user(config, **files)
    assert (who.uid, who.gid, who.groups, who.home) == expected


@pytest.mark.parametrize("user", ["ghost", "web:ghosts"])
def test_unknown_names(user: str, files: dict[str, str]) -> None:
    with pytest.raises(identity.UnknownUser, match="no matching entries"):
        identity.resolve_user(UserConfig(user=user), **files)


def test_an_image_without_a_passwd_file(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert identity.resolve_user(UserConfig(), passwd=missing, group=missing).home == "/"


def test_capabilities() -> None:
    usual = process.capability_mask(process.DEFAULT_CAPABILITIES)
    assert identity.capabilities_of(UserConfig()) == usual == 0xA80425FB
    dropped = identity.capabilities_of(UserConfig(drop_capabilities=["ALL"], add_capabilities=["cap_net_admin"]))
    assert dropped == 1 << process.CAPABILITIES.index("NET_ADMIN")
    assert identity.capabilities_of(UserConfig(add_capabilities=["ALL"])) == (1 << 41) - 1
    assert identity.capabilities_of(UserConfig(privileged=True)) == (1 << 41) - 1


def test_what_is_given_wins_over_what_is_usual() -> None:
    env = identity.environment({"HOME": "/x", "A": "1"}, home="/root", hostname="web", tty=True)
    assert env == {"PATH": identity.DEFAULT_PATH, "HOSTNAME": "web", "HOME": "/x", "TERM": "xterm", "A": "1"}
